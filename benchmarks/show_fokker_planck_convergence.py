"""Convergence of the direct Fokker-Planck solver: `python benchmarks/show_fokker_planck_convergence.py`.

Prints, in Markdown, the relative error of P on 800 to 6,400 cells, of the values extrapolated from them, and
the difference from a Legendre expansion, which shares nothing with the finite volumes.
"""

import math

import numpy as np

from mtjloop.sim.switching import extrapolated, solve_by_legendre, solve_fokker_planck, terms_needed
from mtjloop.sim.switching.equilibrium import equilibrium_log_odds

POINTS = [  # overdrive, delta, field, reduced time
    (1.2, 40.0, 0.0, 5.2795),
    (0.8, 60.0, 0.0, 5.2795),
    (0.7, 60.0, 0.0, 26.4),
    (0.5, 10.0, 0.1, 20.0),
    (2.2, 36.7, 0.19, 0.8),
    (5.0, 120.0, 0.0, 0.5),
    (0.0, 5.0, -0.3, 1.0),
]
CELLS = (800, 1600, 3200, 6400)


def probability(log_forward: float, overdrive: float, delta: float, field: float) -> float:
    """P from ln X (see `Solution.log_forward`)."""
    occupancy = math.exp(-np.logaddexp(0, -equilibrium_log_odds(overdrive, delta, field)))
    return -occupancy * math.expm1(-math.exp(log_forward) / occupancy)


def main() -> None:
    heads = [f"{n:,} cells" for n in CELLS] + [f"extrapolated from {n:,}" for n in CELLS] + ["Legendre"]
    print("| i | Delta | h | tau | P | " + " | ".join(heads) + " |")
    print("|" + "---|" * (5 + len(heads)))
    for i, delta, h, tau in POINTS:
        best = probability(float(extrapolated(i, delta, h, [tau], cells=25_600)[0]), i, delta, h)
        errors = [
            float(solve_fokker_planck(i, delta, h, [tau], cells=n).switched[0]) / best - 1 for n in CELLS
        ]
        errors += [
            probability(float(extrapolated(i, delta, h, [tau], cells=n)[0]), i, delta, h) / best - 1
            for n in CELLS
        ]
        errors.append(solve_by_legendre(i, delta, h, tau, terms=terms_needed(i, delta)) / best - 1)
        print(
            f"| {i} | {delta} | {h} | {tau} | {best:.5g} | " + " | ".join(f"{e:.1e}" for e in errors) + " |"
        )


if __name__ == "__main__":
    main()
