"""Table of switching probabilities from the law, the stochastic macrospin and the asymptotes, in Markdown.

`python benchmarks/compare_switching_laws.py [SCALE]` prints the table of docs/switching.md; SCALE multiplies
the number of trajectories (1: about ten minutes on one core).
"""

import math
import sys

from mtjloop.sim.llg import simulate
from mtjloop.sim.switching import (
    ballistic_error,
    overdrive_error,
    solve_fokker_planck,
    switching_probability,
    thermal_probability,
)

ALPHA, ANISOTROPY_FIELD, GAMMA = 0.01, 0.3, 1.76e11  # -, tesla (mu0 H_k), rad/(s T)
PER_SECOND = ALPHA * GAMMA * ANISOTROPY_FIELD / (1 + ALPHA**2)

# delta, field, pulse in seconds, overdrive, trajectories (0: too rare to count), alpha of the macrospin
POINTS = [
    (40, 0.00, 10e-9, 1.2, 20_000, 0.01),
    (40, 0.05, 10e-9, 1.2, 20_000, 0.01),
    (40, -0.05, 10e-9, 1.2, 20_000, 0.01),
    (60, 0.00, 10e-9, 0.8, 200_000, 0.1),
    (60, 0.00, 10e-9, 1.2, 20_000, 0.01),
    (60, 0.00, 10e-9, 2.0, 100_000, 0.1),
    (60, 0.00, 50e-9, 0.7, 20_000, 0.1),
    (60, 0.00, 1e-6, 0.6, 2_000, 0.1),
    (40, 0.00, 50e-9, 0.8, 10_000, 0.1),
    (40, 0.00, 50e-9, 0.4, 0, 0.1),
    (40, 0.00, 50e-9, 0.8 / 3, 0, 0.1),
    (60, 0.00, 50e-9, 0.8, 10_000, 0.1),
    (60, 0.00, 50e-9, 0.4, 0, 0.1),
    (60, 0.00, 50e-9, 0.8 / 3, 0, 0.1),
    (45, 0.00, 50e-6, 0.5, 0, 0.1),
    (45, 0.00, 1e-3, 0.0, 0, 0.1),
]


def short(value: float) -> str:
    """A probability to the digits that matter, counted from the nearer of 0 and 1."""
    if value >= 0.01:
        return f"{value:.4f}" if value < 0.999 or value == 1 else f"1 - {1 - value:.2e}"
    return f"{value:.3g}"


def macrospin(delta: float, field: float, tau: float, i: float, trajectories: int, alpha: float) -> str:
    """The counted fraction with its 95 % Wilson interval."""
    if not trajectories:
        return "-"
    found = simulate(i, tau, delta, field, alpha=alpha, trajectories=trajectories, seed=2024)
    low, high = found.interval()
    return f"{short(found.probability()[0])} [{short(low[0])}, {short(high[0])}], n = {trajectories}"


def main(scale: float) -> None:
    print(
        "| Delta | h | pulse | i | law | direct, 12,800 cells | macrospin, 95 % | Neel-Brown n = 1, 1 ns "
        "| thermal asymptote | ballistic, derived | ballistic, Butler |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for delta, field, pulse, i, trajectories, alpha in POINTS:
        tau = pulse * PER_SECOND
        law = float(switching_probability(i, tau, delta, field))
        direct = float(solve_fokker_planck(i, delta, field, [tau], cells=12_800).switched[0])
        habit = float(switching_probability(i, tau, delta, field, "neel-brown-1", tau0=1e-9 * PER_SECOND))
        thermal, derived, butler = "-", "-", "-"
        if field == 0 and i < 1:
            thermal = short(float(thermal_probability(i, tau, delta)))
        if field == 0 and i > 1:
            derived = short(1 - float(ballistic_error(i, tau, delta)))
            butler = short(1 - float(overdrive_error(i, tau, delta)))
        counted = macrospin(delta, field, tau, i, math.ceil(trajectories * scale), alpha)
        width = f"{pulse * 1e9:g} ns" if pulse < 1e-6 else f"{pulse * 1e6:g} us"
        cells = [
            f"{delta}",
            f"{field:g}",
            width,
            f"{i:.3g}",
            short(law),
            short(direct),
            counted,
            short(habit),
        ]
        print("| " + " | ".join([*cells, thermal, derived, butler]) + " |", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
