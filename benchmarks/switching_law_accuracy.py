"""Error of the tabulated Fokker-Planck law against converged direct solutions at random points.

`python benchmarks/switching_law_accuracy.py [POINTS [SEED]]`; 4,000 points take about ten minutes on one
core.

Overdrive (half of the points over 0 to 5, half over 0 to 1.5), barrier and field are uniform over the whole
range of the law, reduced time is log-uniform over [0.05, 5e8]. Points count where 1e-9 < P < 1 - 1e-6.
"""

import math
import sys
import time

import numpy as np
from numpy.typing import NDArray

from mtjloop.sim.switching import extrapolated, switching_probability
from mtjloop.sim.switching.equilibrium import equilibrium_log_odds

Floats = NDArray[np.float64]
TIMES_EACH = 8


def converged(overdrive: float, times: Floats, delta: float, field: float) -> tuple[Floats, Floats]:
    """P and 1 - P: finer in cells and steps than the generator of the table."""
    steepest = delta * (1 + abs(overdrive - field))
    cells = 8 * math.ceil(min(max(20 * steepest, 3200), 16_000) / 8)
    forward = np.exp(extrapolated(overdrive, delta, field, times, cells=cells, step=0.01))
    log_odds = equilibrium_log_odds(overdrive, delta, field)
    occupancy = math.exp(-np.logaddexp(0, -log_odds))
    switched = -occupancy * np.expm1(-forward / occupancy)
    return switched, math.exp(-np.logaddexp(0, log_odds)) + occupancy * np.exp(-forward / occupancy)


def campaign(points: int, seed: int) -> Floats:
    """Rows of overdrive, delta, field, reduced time, P, relative error."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, ...]] = []
    began = time.monotonic()
    while len(rows) < points:
        i, delta, h = rng.choice([1.5, 5.0]) * rng.random(), rng.uniform(5, 120), rng.uniform(-0.3, 0.3)
        times = np.exp(np.sort(rng.uniform(math.log(0.05), math.log(5e8), TIMES_EACH)))
        exact, remaining = converged(i, times, delta, h)
        error = switching_probability(i, times, delta, h) / exact - 1
        counting = np.flatnonzero((exact > 1e-9) & (remaining > 1e-6))
        rows.extend((i, delta, h, times[k], exact[k], error[k]) for k in counting)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{len(rows)} points  {time.monotonic() - began:5.0f} s ")
    return np.array(rows)


def main(points: int, seed: int) -> None:
    rows = campaign(points, seed)
    error = np.abs(rows[:, 5])
    print(f"{len(rows)} points, seed {seed}")
    print("relative error of P: median {:.1e}, 90 % {:.1e}, 99 % {:.1e}, 99.9 % {:.1e}, max {:.1e}".format(
        *np.percentile(error, [50, 90, 99, 99.9, 100])
    ))  # fmt: skip
    print("by probability:")
    for low, high in ((1e-9, 1e-7), (1e-7, 1e-5), (1e-5, 1e-3), (1e-3, 0.1), (0.1, 1.0)):
        inside = error[(rows[:, 4] > low) & (rows[:, 4] <= high)]
        tail = np.percentile(inside, 99)
        print(f"  {low:.0e} to {high:.0e}: {inside.size:5d} points, 99 % {tail:.1e}, max {inside.max():.1e}")
    print("largest errors (overdrive, delta, field, reduced time, P, error):")
    for row in rows[np.argsort(-error)[:8]]:
        print("  {:6.3f} {:7.2f} {:7.3f} {:9.3g} {:9.2e} {:9.1e}".format(*row))


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["4000", "1"][len(sys.argv) - 1 :])))
