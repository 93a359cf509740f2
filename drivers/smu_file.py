"""The section `smu:` of a bench file: instruments, what is wired to what, and how they measure."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .quantities import Current, Duration, PositiveCurrent, PositiveDuration, PositiveVoltage
from .yaml_file import Section

ModelName = Literal["keithley-2600b", "keysight-b2900", "keithley-707b", "keithley-3706a"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$")]
"""Of an instrument: no dot, since a dot joins it to its channel."""

_ON_THIS_MACHINE = re.compile(r"(?i:TCPIP\d*::(127\.0\.0\.1|localhost)[,:])|(ASRL)?/dev/(pts/|ttys\d)")


class InstrumentSection(Section):
    """One instrument.

    Attributes:
        model: its family.
        resource: VISA resource name (anything with `::`) or serial port (`/dev/ttyUSB0`, `COM3`).
        serial_number: as in its identity; another one is refused.
        timeout: for one reply beside the time a train or a measurement takes, s.
        numbers: how measurements come back; None takes `ascii` (16 digits) from a Keithley 2600B and `real64`
            from a Keysight B2900, whose text has 7 digits only.
        baud: of a serial port.
    """

    model: ModelName
    resource: Annotated[str, Field(min_length=1, max_length=200)]
    serial_number: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    timeout: PositiveDuration = 2.0
    numbers: Literal["ascii", "real64"] | None = None
    baud: Annotated[int, Field(ge=300, le=4_000_000)] | None = None


class SmuTileSection(Section):
    """What each line of one crossbar is wired to, from line 0 on.

    Attributes:
        rows: `matrix.1.3` is column 3 of the card in slot 1 of the instrument `matrix`; `matrix.1.1-12` are
            twelve lines; `smu.a` is a line straight on a channel.
        columns: the same.
    """

    rows: Annotated[list[str], Field(min_length=1)]
    columns: Annotated[list[str], Field(min_length=1)]


class SmuSection(Section):
    """A bench of source-measure units around a die, with or without a switch matrix.

    Attributes:
        instruments: by name.
        visa_library: PyVISA's choice of library, such as `@py`; None takes a vendor's if there is one.
        tsp_link: instruments on one TSP-Link in the order of their nodes (1, 2, ...). The first, a 2600B,
            is spoken to; its scripts then switch the relays of the matrix, so a whole read is one message.
        matrix_rows: what is wired to each row of the switch matrix: `A: smu.a`, `C: ground`. With several
            matrices the row is named `matrix.A`.
        tiles: crossbars.
        voltage_range: largest level of a channel; None takes limits.device_voltage.
        current_range: of the measurement; None takes limits.line_current. A channel cannot give more.
        integration: of one measurement in a read.
        pulse_integration: of the measurement inside a pulse.
        settle: from switching a level on to its measurement in a read.
        read_noise: standard deviation of one current of a read; None takes what is known of the instruments.
        repeat_gap: rest between two repeats of a pulse.
        relay_time: for relays to open, or to close, and settle; None takes that of the matrix.
        break_before_make: whether relays open before others close. Without, they move together in half of
            the time: lines meet for a moment, while all outputs are off.
        transcript: whether every byte to and from the instruments is kept with a run, in `transcript.jsonl`.
        remote_sense: four wires to every channel instead of two.
        emulated: the instruments are those of a twin (`mtjloop twin` writes this), so no record calls them
            hardware. They must be on this machine.
    """

    instruments: Annotated[dict[Name, InstrumentSection], Field(min_length=1)]
    visa_library: str | None = None
    tsp_link: tuple[str, ...] = Field(default=(), strict=False)
    matrix_rows: dict[str, str] = Field(default_factory=dict)
    tiles: Annotated[list[SmuTileSection], Field(min_length=1)]
    voltage_range: PositiveVoltage | None = None
    current_range: PositiveCurrent | None = None
    integration: PositiveDuration = 1e-3
    pulse_integration: PositiveDuration = 20e-6
    settle: Annotated[Duration, Field(ge=0)] = 1e-3
    read_noise: Annotated[Current, Field(ge=0)] | None = None
    repeat_gap: PositiveDuration = 100e-6
    relay_time: PositiveDuration | None = None
    break_before_make: bool = True
    transcript: bool = False
    remote_sense: bool = False
    emulated: bool = False

    @model_validator(mode="after")
    def _a_twin_is_here(self) -> "SmuSection":
        for name, one in self.instruments.items():
            if self.emulated and not _ON_THIS_MACHINE.match(one.resource):
                raise ValueError(
                    f"emulated is true, and the resource of {name} is {one.resource}; a twin is on "
                    "127.0.0.1 or a pseudo-terminal. Take emulated out for real instruments"
                )
        return self
