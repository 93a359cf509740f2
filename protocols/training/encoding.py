"""How a wanted update of a layer becomes pulses on its tiles: the three encodings behind one door.

| kind | how | for |
|---|---|---|
| coincidence | rows and columns fire at random; a cell switches where both do | both kinds, two levels at
once |
| log-amplitude | a voltage a line; the exponent adds, the probability multiplies | a level a line |
| duration-amplitude | gate width of a row, amplitude of a column | 1T1R, a level a line |
"""

from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Capabilities, Floats, Pulse
from ...errors import ConfigurationError
from ..calibration import CurveNeeds
from ..selection import TO_AP, TO_P, Flags
from ..settings import PulseSettings
from .amplitude_levels import LineShares, duration_pulse, log_pulse, log_shares, peak_voltage
from .block import Block
from .coincidence import Phase, fired, firing, phases
from .controller_draws import Draws
from .gating import gated
from .rule import Factor, largest_of
from .settings import EncodingSettings

_LOW_SHARE = 0.2
"""Smaller probability, as a share of p0, at which encodings by amplitude measure the slope of the curve."""


def check_encoding(settings: EncodingSettings, capabilities: Capabilities) -> None:
    """Refuse, before anything is sent, what the bench cannot do.

    Raises:
        ConfigurationError: naming the key of the experiment file and what to write instead.
    """
    if settings.kind == "coincidence":
        return
    if settings.kind == "duration-amplitude" and not capabilities.gate_lines:
        raise ConfigurationError(
            "training.encoding.kind is duration-amplitude, which opens the gate of each row for a "
            "time of its own; this crossbar is passive and has no gates; write coincidence or log-amplitude"
        )
    if capabilities.distinct_levels is not None:
        raise ConfigurationError(
            f"training.encoding.kind is {settings.kind}, which drives each line at a level of its own; this "
            f"bench drives {capabilities.distinct_levels} besides 0 V at once; write coincidence"
        )


def needs_of(settings: EncodingSettings) -> CurveNeeds:
    """What the calibration must find out for an encoding."""
    if settings.kind == "coincidence":
        return CurveNeeds()
    return CurveNeeds(_LOW_SHARE * settings.probability, settings.kind == "duration-amplitude")


@dataclass(frozen=True)
class Plan:
    """An update as it will be sent.

    Attributes:
        factor: on the lines that take part.
        row_chances: of taking part in a slot, (inputs,).
        column_chances: the same, (outputs,).
        clipped: whether more was wanted than the encoding can give at any amplitude.
    """

    factor: Factor
    row_chances: Floats
    column_chances: Floats
    clipped: bool


def planned(factor: Factor, settings: EncodingSettings, draws: Draws, update: int) -> Plan | None:
    """What an update will be; None if it asks for nothing.

    Args:
        factor: wanted on a layer.
        settings: of the encoding.
        draws: of the layer, for gating.
        update: number since training began.
    """
    if not peak_of(factor) > 0.0:
        return None
    some = gated(factor, settings, draws, update)
    if settings.kind != "coincidence":
        rows, columns = ((one != 0.0).astype(np.float64) for one in (some.rows, some.columns))
        return Plan(some, rows, columns, peak_of(some) > 1.0)
    chances = firing(some, settings)
    if chances is None:  # all lines happen to be left out; the update counts all the same
        return Plan(some, np.zeros_like(some.rows), np.zeros_like(some.columns), False)
    return Plan(some, chances.rows, chances.columns, chances.clipped)


def peak_of(factor: Factor) -> float:
    """Largest probability that a factor asks for; over 1 where it cannot be had."""
    return factor.strength * largest_of(factor.rows) * largest_of(factor.columns)


@dataclass(frozen=True)
class EncodedPulse:
    """A pulse of an update on one tile.

    Attributes:
        phase: cells of the block that it is meant for.
        pulse: levels and widths of the lines of the tile.
        capped: whether the wanted probability would take more than the highest amplitude allowed.
    """

    phase: Phase
    pulse: Pulse
    capped: bool = False


class BlockEncoder:
    """Makes the pulses of updates on one block.

    Attributes:
        calibrated: amplitude at which P is p0 by polarity, V.

    Args:
        block: calibrated for the encoding.
        settings: of the encoding, which the bench can do, see `check_encoding`.
        pulse: width, highest amplitude and bias of unselected lines.

    Raises:
        ProtocolError: p0 needs an amplitude outside the range that was searched.
    """

    def __init__(self, block: Block, settings: EncodingSettings, pulse: PulseSettings) -> None:
        self._block, self._settings, self._pulse = block, settings, pulse
        self.calibrated = {
            polarity: block.calibration.amplitude(polarity, settings.probability, pulse)
            for polarity in (TO_P, TO_AP)
        }

    def pulses(
        self, plan: Plan, row_fires: Flags, column_fires: Flags, amplitudes: dict[int, float]
    ) -> list[EncodedPulse]:
        """The pulses of one slot.

        Args:
            plan: of the layer.
            row_fires: rows of the layer that take part, (inputs,).
            column_fires: columns of the layer that take part, (outputs,).
            amplitudes: at which P is taken to be p0, by polarity; where they differ from `calibrated`, every
                voltage of an encoding by amplitude is shifted with them.
        """
        place = self._block.place
        inputs = slice(place.first_input, place.first_input + place.inputs)
        outputs = slice(place.first_output, place.first_output + place.outputs)
        rows, columns = plan.factor.rows[inputs], plan.factor.columns[outputs]
        found = phases(rows, columns, row_fires[inputs], column_fires[outputs], self._block.cell_signs)
        if self._settings.kind == "coincidence":
            return [
                EncodedPulse(
                    phase,
                    self._block.select(
                        phase.rows, phase.columns, phase.polarity, amplitudes[phase.polarity],
                        self._pulse.width, self._pulse.unselected,
                    ),
                )
                for phase in found
            ]  # fmt: skip
        made = []
        for phase in found:
            offset = amplitudes[phase.polarity] - self.calibrated[phase.polarity]
            encoded = self._by_amplitude(plan.factor, rows, columns, phase, offset)
            if encoded is not None:
                made.append(encoded)
        return made

    def _by_amplitude(
        self, factor: Factor, rows: Floats, columns: Floats, phase: Phase, offset: float
    ) -> EncodedPulse | None:
        """A pulse of many levels for one sign phase; None if no cell of the block would be selected."""
        block, most = self._block, self._pulse.search_to
        curve, tile = block.calibration.curve(phase.polarity), block.crossbar.capabilities
        wanted = peak_voltage(peak_of(factor), curve, offset)
        peak = min(wanted, most)
        each = block.layout.each
        shares = LineShares(
            log_shares(rows, largest_of(factor.rows), phase.rows),
            log_shares(np.repeat(columns, each), largest_of(factor.columns), phase.columns),
            phase.polarity,
        )
        if self._settings.kind == "log-amplitude":
            pulse = log_pulse(shares, peak, curve.slope, self._pulse, tile)
        else:
            known = block.calibration.widths(phase.polarity)
            pulse = duration_pulse(shares, peak, curve.slope, known, self._pulse, tile)
        return None if pulse is None else EncodedPulse(phase, pulse, capped=wanted > most)


def slot_fires(plan: Plan, draws: Draws, slot: int) -> tuple[Flags, Flags]:
    """Which rows and columns of the layer take part in a slot, by number since training began."""
    return fired(plan.row_chances, plan.column_chances, draws, slot)
