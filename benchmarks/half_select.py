"""10^5 half-select pulses on a 64 x 64 die at V/2 and at V/3: do the flips agree with the law?

Every cell has its own parameters; ideal lines make its voltage known. After each pulse the flipped cells are
put back. Cells are grouped by expected number of flips, and chi-square compares counts with the law.
`python benchmarks/half_select.py [pulses]`.
"""

import sys
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mtjloop.sim.array import SimulatedArray
from mtjloop.sim.device import Die, Junction
from mtjloop.sim.die import draw_tile
from mtjloop.sim.network import Wires
from mtjloop.sim.view import TileView

LEAST_EXPECTED = 20.0


@dataclass(frozen=True)
class Agreement:
    """Flips counted and expected over all cells, classes compared, and the p value of chi-square."""

    level: float
    flips: int
    expected: float
    classes: int
    p_value: float


def compare(
    level: float, pulses: int, size: int = 64, width: float = 50e-9, delta: float = 40.0
) -> Agreement:
    """Give half-select pulses and compare.

    Args:
        level: voltage of every cell, V.
        pulses: how many.
        size: rows and columns.
        width: of each pulse, s.
        delta: of the nominal junction.
    """
    die = Die(Junction(delta=delta))
    tile = draw_tile(die, size, size, 0, 0)
    p = TileView.drawn_from(die, size, size, 0, 0).probability(np.array([level]), width)[0]
    array = SimulatedArray(tile, Wires(0.0, 0.0, 0.0, 0.0), None, 1, 0)
    start = np.zeros((size, size), dtype=np.int8)
    array.restore(start, 0, 0)
    rows, columns = np.full(size, level), np.zeros(size)
    counts = np.zeros(size * size)
    for _ in range(pulses):
        if array.apply(rows, columns, np.array(width), 1).flips:
            counts += array.state.ravel()
            array.restore(start, array.pulses, array.reads)
    expected = p * pulses
    classes = int(np.clip(expected.sum() / LEAST_EXPECTED, 1, 50))
    order = np.argsort(expected)
    marks = np.linspace(0.0, expected.sum(), classes + 1)[1:-1]
    cuts = np.searchsorted(np.cumsum(expected[order]), marks)
    want = np.array([part.sum() for part in np.split(expected[order], cuts)])
    got = np.array([part.sum() for part in np.split(counts[order], cuts)])
    if classes == 1:
        p_value = float(stats.poisson.sf(got[0] - 1, want[0]))
        p_value = min(1.0, 2.0 * min(p_value, float(stats.poisson.cdf(got[0], want[0]))))
    else:
        p_value = float(stats.chi2.sf(((got - want) ** 2 / want).sum(), classes))
    return Agreement(level, int(counts.sum()), float(expected.sum()), classes, p_value)


def main() -> None:
    """Print one line a bias scheme, for 50 ns at Delta 40; V/3 also at a higher V, where there are flips."""
    pulses = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    critical = Junction().critical_voltage_up
    for name, level in (
        ("V/2", 0.8 * critical / 2),
        ("V/3", 0.8 * critical / 3),
        ("V/3", 1.1 * critical / 3),
    ):
        found = compare(level, pulses)
        print(
            f"{name}: {pulses} pulses of {found.level:.3f} V, 50 ns, on 4,096 cells: {found.flips} flips, "
            f"{found.expected:.1f} expected, {found.classes} classes, p = {found.p_value:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
