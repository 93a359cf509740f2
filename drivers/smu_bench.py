"""From the section `smu:` of a bench file to planners, which cost nothing, and to open crossbars."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import ConfigurationError
from ..instruments import (
    ChannelLimits,
    ChannelSettings,
    Keithley2600B,
    KeysightB2900,
    PulseLimits,
    SourceCosts,
    keithley_2600b,
    keysight_b2900,
)
from ..instruments.keithley_707b import CALL_TIME, RELAY_TIME
from ..instruments.keithley_2600b_routed import MOST_READS
from .contract import Bias, Capabilities, Floats, Pulse, Timing
from .guard import Limits
from .planner import Costs, Planner
from .routes import Routes
from .smu import SmuCrossbar
from .smu_file import ModelName, SmuSection
from .smu_instruments import SmuInstruments, open_instruments
from .wiring import Wiring

_COSTS: Mapping[ModelName, SourceCosts] = {
    "keithley-2600b": Keithley2600B.COSTS,
    "keysight-b2900": KeysightB2900.COSTS,
}
_PULSES: Mapping[ModelName, PulseLimits] = {
    "keithley-2600b": Keithley2600B.PULSES,
    "keysight-b2900": KeysightB2900.PULSES,
}

_NOISES: Mapping[ModelName, tuple[float, tuple[float, ...]]] = {
    "keithley-2600b": (keithley_2600b.NOISE, keithley_2600b.CURRENT_RANGES),
    "keysight-b2900": (keysight_b2900.NOISE, keysight_b2900.CURRENT_RANGES),
}
"""Noise of a current integrated for 1 s in parts of its range, and the ranges that all models have, A."""


def tile_routes(wiring: Wiring) -> tuple[Routes, ...]:
    """Routes to every tile.

    Raises:
        ConfigurationError: a tile cannot be pulsed or read with these wires.
    """
    tiles = tuple(Routes(wiring, tile) for tile in range(len(wiring.tiles)))
    problems = [
        f"smu.tiles.{number}: {problem}"
        for number, routes in enumerate(tiles)
        if (problem := routes.abilities().problem) is not None
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tiles


def pulse_widths(wiring: Wiring) -> tuple[float, float]:
    """Shortest and longest pulse that every source of the bench gives, s."""
    pulses = [_PULSES[wiring.models[name]] for name in wiring.sources]
    return max(one.minimum_width for one in pulses), min(one.maximum_width for one in pulses)


def costs_of(section: SmuSection, wiring: Wiring) -> Costs:
    """What operations take on this bench."""
    return Costs(
        sources={name: _COSTS[wiring.models[name]] for name in wiring.sources},
        matrix_call=CALL_TIME,
        relays=RELAY_TIME if section.relay_time is None else section.relay_time,
        settle=section.settle,
        integration=section.integration,
        repeat_gap=section.repeat_gap,
        most_pulses=min(_PULSES[wiring.models[name]].most_pulses for name in wiring.sources),
        break_before_make=section.break_before_make,
        routed=wiring.routed,
        most_reads=MOST_READS,
    )


def planner_of(section: SmuSection, wiring: Wiring, tile: int) -> Planner:
    """The planner of a tile; nothing is opened."""
    return Planner(Routes(wiring, tile), costs_of(section, wiring))


def capabilities_of(
    section: SmuSection, limits: Limits, wiring: Wiring, tile: int, resolution: float = 0.0
) -> Capabilities:
    """What the bench can do with a tile; nothing is opened.

    Args:
        section: of the bench file.
        limits: of the die.
        wiring: as read from the section.
        tile: number.
        resolution: step of a line level, V; it depends on the very model, which only an open bench knows.
    """
    routes = Routes(wiring, tile)
    can = routes.abilities()
    rows, columns = wiring.tiles[tile].shape
    shortest, longest = pulse_widths(wiring)
    return Capabilities(
        rows=rows,
        columns=columns,
        kind="passive",
        voltage_range=_largest_level(section, limits),
        voltage_resolution=resolution,
        minimum_width=shortest,
        maximum_width=longest,
        width_resolution=max(_PULSES[wiring.models[name]].width_resolution for name in wiring.sources),
        distinct_levels=can.distinct_levels,
        read_levels=can.read_levels,
        floating_lines=can.floating,
        transposed_read=can.transposed,
        gate_lines=False,
        timing=_timing(planner_of(section, wiring, tile), costs_of(section, wiring), rows, columns),
    )


def read_noise_of(section: SmuSection, limits: Limits, wiring: Wiring) -> float:
    """Standard deviation of one current of a read, A, as far as it is known before instruments are open."""
    if section.read_noise is not None:
        return section.read_noise
    wanted = _settings(section, limits).current_range
    known = [_NOISES[wiring.models[name]] for name in wiring.sources]
    return max(noise * _range(ranges, wanted) for noise, ranges in known) / math.sqrt(section.integration)


def open_smu(
    section: SmuSection, limits: Limits, wiring: Wiring, transcript: Path | None = None
) -> tuple[SmuInstruments, tuple[SmuCrossbar, ...]]:
    """Open the instruments and put every tile behind the contract.

    Raises:
        ConfigurationError: a tile cannot be pulsed or read with these wires.
        CapabilityError: a setting is out of the range of an instrument.
        LinkError, InstrumentError, ReadbackError: see `open_instruments`.
    """
    tiles = tile_routes(wiring)
    settings = _settings(section, limits)
    instruments = open_instruments(section, wiring, settings, transcript)
    able = [instruments.sources[channel.instrument].limits(channel.name) for channel in wiring.channels]
    resolution = max(_resolution(one, settings.voltage_range) for one in able)
    noise = max(one.noise * _range(one.current_ranges, settings.current_range) for one in able)
    costs = costs_of(section, wiring)
    return instruments, tuple(
        SmuCrossbar(
            instruments,
            Planner(routes, costs),
            capabilities_of(section, limits, wiring, number, resolution),
            section.settle,
            section.repeat_gap,
            noise / math.sqrt(section.integration) if section.read_noise is None else section.read_noise,
        )
        for number, routes in enumerate(tiles)
    )


def _largest_level(section: SmuSection, limits: Limits) -> float:
    return limits.device_voltage if section.voltage_range is None else section.voltage_range


def _settings(section: SmuSection, limits: Limits) -> ChannelSettings:
    return ChannelSettings(
        voltage_range=_largest_level(section, limits) * (1 + 1e-9),  # levels are rounded to the grid
        current_limit=limits.line_current,
        current_range=limits.line_current if section.current_range is None else section.current_range,
        integration=section.integration,
        pulse_integration=section.pulse_integration,
        remote_sense=section.remote_sense,
    )


def _timing(planner: Planner, costs: Costs, rows: int, columns: int) -> Timing:
    """Costs of a usual pulse, half of the lines of each side selected, and of a usual read."""
    row: Floats = 0.1 * (np.arange(rows, dtype=np.float64) % 2)
    column: Floats = -0.1 * (np.arange(columns, dtype=np.float64) % 2)
    closed = planner.pulse(Pulse(0.1 - row, -0.1 - column, 0.0)).closed
    pulse = planner.pulse(Pulse(row, column, 0.0), closed)
    read = planner.read(Bias(row), closed)
    return Timing(pulse_overhead=pulse.seconds, repeat_gap=costs.repeat_gap, read_time=read.seconds)


def _range(ranges: tuple[float, ...], value: float) -> float:
    return min((one for one in ranges if one >= value * (1 - 1e-9)), default=max(ranges))


def _resolution(able: ChannelLimits, volts: float) -> float:
    """Step of the source on the range that holds a level, V."""
    smallest = min(able.voltage_ranges)
    return able.voltage_resolution * _range(able.voltage_ranges, volts) / smallest
