"""Cost of drawing the flips of one pulse on 256 x 256 devices, each with its own parameters.

The draw alone is timed: voltages are given, as they come from the array solve. `python benchmarks/draws.py`.
"""

import time

import numpy as np
from numpy.typing import NDArray

from mtjloop.sim.cells import copied
from mtjloop.sim.device import Die
from mtjloop.sim.die import draw_tile
from mtjloop.sim.sampler import draw_flips, fitted, new_sampler
from mtjloop.sim.view import TileView

Floats = NDArray[np.float64]
States = NDArray[np.int8]
LIMITS = {"selected": 3.0, "half-selected": 0.3}
"""What is wanted, ns a device."""


def measure(size: int = 256, width: float = 100e-6, repeats: int = 300) -> dict[str, float]:
    """Nanoseconds a device of the draw of one pulse.

    Args:
        size: rows and columns.
        width: of the pulse, s.
        repeats: pulses timed of each kind; the fastest counts.

    Returns:
        Cost, ns a device, of pulses with every device selected (P about one half), with every device at V/2,
        and of evaluating the law for every device; the share of flips; seconds for making windows and fits.
    """
    die = Die()
    tile = draw_tile(die, size, size, 0, 0)
    cells = copied(tile.cells)
    view = TileView.drawn_from(die, size, size, 0, 0)
    grid = np.linspace(0.05, 1.5, 400)
    chance = view.probability(grid, width, 400).mean(axis=1)
    level = float(grid[np.argmax(chance > 0.5)])
    spread = np.random.default_rng(0).uniform(0.98, 1.0, (size, size))  # drops along the lines
    edges = np.array([width])
    start = np.zeros((size, size), dtype=np.int8)
    result: dict[str, float] = {"size": size, "width_s": width, "level_V": level}

    sampler = new_sampler(
        cells, tile.dynamics, np.uint64(1), 0, die.drift.sigma, die.drift.pulses, True, np.zeros((size, size))
    )
    nothing = np.empty(0)

    def draw(state: States, volts: Floats, event: int) -> int:
        return draw_flips(sampler, state, volts, edges, nothing, nothing, event)

    began = time.perf_counter()
    draw(start.copy(), np.zeros((1, size, size)), 0)
    result["windows_s"] = time.perf_counter() - began

    event = 0
    for name, volts in (("selected", level * spread), ("half-selected", 0.5 * level * spread)):
        seen = volts[None]
        if name == "selected":
            began = time.perf_counter()
            draw(start.copy(), seen, 0)
            result["law"] = 1e9 * (time.perf_counter() - began) / size**2
            began = time.perf_counter()
            while not fitted(sampler, width):
                event += 1
                draw(start.copy(), seen, event)
            result["fits_s"] = time.perf_counter() - began
        costs, flips = [], 0
        for _ in range(repeats):
            event += 1
            state = start.copy()
            began = time.perf_counter()
            flips += draw(state, seen, event)
            costs.append(time.perf_counter() - began)
        result[name] = 1e9 * min(costs) / size**2
        result[f"{name} flips"] = flips / repeats / size**2
    return result


def main() -> None:
    """Print a table."""
    measure(16, repeats=2)  # compiles
    print("pulse     device voltage  state          flips    ns/device  wanted")
    for width in (50e-9, 100e-6):
        found = measure(width=width)
        for name, limit in LIMITS.items():
            volts = found["level_V"] * (1.0 if name == "selected" else 0.5)
            share = found[f"{name} flips"]
            print(f"{width:7.0e} s {volts:11.3f} V    {name:13s} {share:9.2e} {found[name]:9.2f}   {limit:g}")
        print(
            f"          without fits {found['law']:.0f} ns/device; windows take {found['windows_s']:.2f} s "
            f"and fits {found['fits_s']:.1f} s, once a width and die"
        )


if __name__ == "__main__":
    main()
