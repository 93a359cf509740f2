"""Cost of one evaluation of the compiled switching laws: `python benchmarks/switching_speed.py`.

The best of several rounds, beside the cost of one exponential in the same run (machines and loads differ).
"""

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mtjloop.compiled import kernel
from mtjloop.sim.switching import (
    Law,
    curve_log_hazard_at,
    device_curves,
    equivalent_time_at,
    log_hazard_at,
    make_law,
    probability_at,
)

Floats = NDArray[np.float64]
Curves = NDArray[np.float32]
DEVICES = 65_536
ROUNDS = 9


@kernel
def exponentials(i: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = math.exp(i[k])


@kernel
def log_hazards(law: Law, i: Floats, tau: float, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = log_hazard_at(law, i[k], tau, delta[k], field[k])


@kernel
def probabilities(law: Law, i: Floats, tau: float, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = probability_at(law, i[k], tau, delta[k], field[k])


@kernel
def times(law: Law, target: Floats, i: Floats, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = equivalent_time_at(law, target[k], i[k], delta[k], field[k])


@kernel
def curve_hazards(curves: Curves, i: Floats, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = curve_log_hazard_at(curves, k, i[k], delta[k], field[k])


def best(run: Callable[[], object]) -> float:
    """Nanoseconds a device in the fastest round."""
    run()
    shortest = math.inf
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        shortest = min(shortest, time.perf_counter() - began)
    return shortest / DEVICES * 1e9


def main() -> None:
    rng = np.random.default_rng(0)
    delta, field = rng.normal(45, 3, DEVICES), rng.normal(0, 0.03, DEVICES)
    out = np.empty(DEVICES)
    anywhere = rng.uniform(0, 5, DEVICES)
    print(f"one exponential                     {best(lambda: exponentials(anywhere, out)):7.1f} ns")
    for name in ("neel-brown-2", "fokker-planck"):
        law = make_law(name)
        for case, mean, tau in (
            ("select 50 us", 0.5, 26_400.0),
            ("ballistic 10 ns", 1.2, 5.28),
            ("half-select 50 us", 0.25, 26_400.0),
            ("read 50 us", 0.02, 26_400.0),
            ("hold 50 us", -0.5, 26_400.0),
        ):
            i = mean * rng.normal(1, 0.044, DEVICES)
            hazard = best(lambda law=law, i=i, tau=tau: log_hazards(law, i, tau, delta, field, out))  # type: ignore[misc]
            target = out.copy()
            p = best(lambda law=law, i=i, tau=tau: probabilities(law, i, tau, delta, field, out))  # type: ignore[misc]
            t = best(lambda law=law, i=i, x=target: times(law, x, i, delta, field, out))  # type: ignore[misc]
            print(
                f"{name:14} {case:18}  ln hazard {hazard:6.1f} ns  P {p:6.1f} ns  equivalent time {t:7.0f} ns"
            )
    law = make_law("fokker-planck")
    widths = np.full(DEVICES, 26_400.0)
    made = best(lambda: device_curves(law, widths, delta, field))
    print(f"device curves, per device and width  {made:7.0f} ns")
    curves = device_curves(law, widths, delta, field)
    for case, mean in (("select 50 us", 0.5), ("half-select 50 us", 0.25), ("read 50 us", 0.02)):
        i = mean * rng.normal(1, 0.044, DEVICES)
        cost = best(lambda i=i: curve_hazards(curves, i, delta, field, out))  # type: ignore[misc]
        print(f"from its curve {case:18}  ln hazard {cost:6.1f} ns")


if __name__ == "__main__":
    main()
