"""How well equivalent elapsed time carries a voltage history: `python benchmarks/equivalent_time_error.py`.

Two-level pulses, solved directly (the density goes on from level to level) and by the accumulated hazard
alone. Prints Markdown.
"""

import numpy as np

from mtjloop.sim.switching import direct as solver
from mtjloop.sim.switching import equivalent_time, switching_probability
from mtjloop.sim.switching import log_hazard as law

CELLS = 3200
CASES = [  # delta, first overdrive and time, second overdrive and time
    (40.0, 0.80, 13.0, 0.75, 13.0),
    (40.0, 0.80, 13.0, 0.60, 13.0),
    (40.0, 0.60, 13.0, 0.80, 13.0),
    (60.0, 0.50, 2e4, 0.55, 2e4),
    (40.0, 1.20, 2.6, 1.10, 2.6),
    (40.0, 1.20, 2.6, 0.80, 2.6),
    (40.0, 0.80, 2.6, 1.20, 2.6),
    (60.0, 2.00, 1.0, 1.50, 1.0),
    (60.0, 0.00, 5.0, 1.50, 3.0),
]


def direct(delta: float, levels: list[tuple[float, float]]) -> float:
    """P after a series of (overdrive, duration) without field."""
    edges, centres = solver._grid(0.0, CELLS)
    log_volume = np.log(edges[:-1] - edges[1:])
    mass = np.zeros(CELLS)
    mass[: CELLS // 2] = solver._normalised((log_volume + delta * centres**2)[: CELLS // 2])
    for overdrive, duration in levels:
        energy = -delta * (centres**2 - 2 * overdrive * centres)
        forward, back = solver._rates(edges, centres, energy, delta)
        switched, remaining = np.empty(1), np.empty(1)
        times = np.array([duration])
        solver._march(forward, back, mass, times, 0.01, solver.WEIGHTS, 0.0, 1.0, switched, remaining)
    return float(switched[0])


def main() -> None:
    print("| Delta | i, tau | then i, tau | P direct | P by equivalent time | ratio |")
    print("|---|---|---|---|---|---|")
    for delta, i, tau, second, then in CASES:
        exact = direct(delta, [(i, tau), (second, then)])
        elapsed = equivalent_time(law(i, tau, delta), second, delta)
        carried = float(switching_probability(second, elapsed + then, delta))
        print(
            f"| {delta:g} | {i:g}, {tau:g} | {second:g}, {then:g} "
            f"| {exact:.4g} | {carried:.4g} | {carried / exact:.3f} |"
        )


if __name__ == "__main__":
    main()
