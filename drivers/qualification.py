"""The passive check of a bench: who is there, that everything is off, that file and instruments agree.

Nothing is energised: outputs stay off from the first command to the last, and relays stay open.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import ConfigurationError, InstrumentError, MtjloopError
from ..instruments import Keithley707B, Keithley2600B, KeysightB2900
from ..instruments.instrument import Instrument
from .arming import Qualification, text_hash
from .bench_file import BenchDescription, OperationSection
from .contract import Capabilities
from .guard import Limits
from .smu import SmuCrossbar
from .smu_bench import open_smu
from .smu_instruments import SmuInstruments
from .wiring import MatrixColumn, Wiring


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        what: it is, such as `outputs off`.
        where: instrument or part of the bench file.
        passed: whether it is in order.
        detail: what was found; what to do if it is not in order.
    """

    what: str
    where: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class InstrumentFacts:
    """One instrument as it was found.

    Attributes:
        name: in the bench file.
        model: as it calls itself.
        resource: where it was reached.
        identity: its answer to `*IDN?`.
        serial_number: third field of the identity.
        firmware: fourth.
        interlock: what it says of its interlock or output enable; None if it has none.
    """

    name: str
    model: str
    resource: str
    identity: str
    serial_number: str
    firmware: str
    interlock: str | None


@dataclass(frozen=True)
class PassiveCheck:
    """A passive check.

    Attributes:
        bench: name of the bench.
        qualification: what arming needs of it.
        instruments: as found.
        findings: in the order in which they were checked.
    """

    bench: str
    qualification: Qualification
    instruments: tuple[InstrumentFacts, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is in order."""
        return self.qualification.passed


def check_passively(
    description: BenchDescription,
    transcript: Path | None = None,
    suits: Callable[[Capabilities], None] | None = None,
) -> PassiveCheck:
    """Check a bench without energising anything. What is found on is switched off, and is a failure.

    Args:
        description: of the bench, from `read_bench_file`, which has checked the wiring already.
        transcript: file for every byte to and from instruments; None keeps none.
        suits: raises ConfigurationError if experiments cannot work with a crossbar that can do so little.

    Returns:
        The check; an instrument that does not answer is a failed finding, not an error.
    """
    findings = [Finding("limits and wiring", description.path.name, True, _shapes(description))]
    instruments: tuple[InstrumentFacts, ...] = ()
    identities: dict[str, str] = {}
    if description.hardware and description.content.smu is not None:
        limits = Limits(**dict(description.content.limits))
        try:
            opened, crossbars = open_smu(description.content.smu, limits, description.wiring, transcript)
        except MtjloopError as error:
            findings += [
                Finding("instruments", "bench", False, line) for line in str(error).splitlines() if line
            ]
        else:
            identities = dict(opened.identities)
            try:
                instruments = tuple(_facts(name, one) for name, one in _each(opened))
                findings += _look(description, opened, crossbars, suits)
            finally:
                opened.close()
    return PassiveCheck(
        description.content.name,
        Qualification(
            text_hash(description.text),
            identities,
            all(one.passed for one in findings),
            datetime.now(UTC).isoformat(timespec="milliseconds"),
        ),
        instruments,
        tuple(findings),
    )


def _look(
    description: BenchDescription,
    opened: SmuInstruments,
    crossbars: tuple[SmuCrossbar, ...],
    suits: Callable[[Capabilities], None] | None,
) -> list[Finding]:
    """All findings of open instruments; what fails on the way is one too."""
    findings: list[Finding] = []
    try:
        for name, one in _each(opened):
            findings += _as_found(name, one)
        for tile, crossbar in enumerate(crossbars):
            findings += _operation(tile, description.content.operation, crossbar.capabilities)
            if suits is not None:
                findings.append(_suits(tile, suits, crossbar.capabilities))
        findings += _relays(description.wiring, opened)
        for name, one in _each(opened):
            left = one.make_safe()
            what = "relays open" if name in opened.matrices else "outputs off"
            findings.append(Finding(what, name, left.proven, left.detail))
        for name, one in _each(opened):
            errors = one.drain_errors()
            findings.append(
                Finding("no errors", name, not errors, "; ".join(map(str, errors)) or "error queue is empty")
            )
    except MtjloopError as error:
        findings.append(Finding("instruments", "bench", False, str(error)))
        opened.safe()
    return findings


def _as_found(name: str, one: Instrument) -> Iterator[Finding]:
    yield Finding("identity", name, True, one.identity)
    live, errors = one.found.live, one.found.errors
    yield Finding(
        "off when found",
        name,
        not live,
        f"{', '.join(live)} on; switched off. Find out who left it on, then check again"
        if live
        else "nothing was on",
    )
    yield Finding(
        "error queue when found",
        name,
        not errors,
        f"{'; '.join(errors)}; emptied. Check again" if errors else "empty",
    )


def _operation(tile: int, operation: OperationSection, able: Capabilities) -> Iterator[Finding]:
    """What the bench file asks for against what the bench can do."""
    where = f"tile {tile}"
    low, high = able.minimum_width, able.maximum_width
    yield Finding(
        "pulse width",
        where,
        low * (1 - 1e-9) <= operation.pulse_width <= high * (1 + 1e-9),
        f"operation.pulse_width is {operation.pulse_width:g} s; the bench gives {low:g} s to {high:g} s",
    )
    # Selected lines share the amplitude, half each.
    most = 2.0 * able.voltage_range
    yield Finding(
        "amplitude",
        where,
        operation.search_to <= most * (1 + 1e-9),
        f"operation.search_to is {operation.search_to:g} V; two lines of the bench give {most:g} V",
    )
    step = able.voltage_resolution
    yield Finding(
        "read voltage",
        where,
        10.0 * step <= operation.read_voltage <= able.voltage_range * (1 + 1e-9),
        f"operation.read_voltage is {operation.read_voltage:g} V; the bench gives {10 * step:g} V "
        f"(ten steps) to {able.voltage_range:g} V",
    )


def _suits(tile: int, suits: Callable[[Capabilities], None], able: Capabilities) -> Finding:
    try:
        suits(able)
    except ConfigurationError as error:
        return Finding("levels", f"tile {tile}", False, str(error))
    most = "any number of" if able.distinct_levels is None else str(able.distinct_levels)
    return Finding("levels", f"tile {tile}", True, f"{most} levels besides 0 V at once in a pulse")


def _relays(wiring: Wiring, opened: SmuInstruments) -> Iterator[Finding]:
    """Every relay that a tile is wired to exists and is open."""
    for name, matrix in opened.matrices.items():
        points = {
            wiring.crosspoint(row, line)
            for (matrix_name, row) in wiring.matrix_rows
            for tile in wiring.tiles
            for line in tile.lines
            if matrix_name == name and isinstance(line, MatrixColumn) and line.matrix == name
        }
        if not isinstance(matrix, Keithley707B):
            continue
        try:
            closed = matrix.closed_among(points)
        except InstrumentError as error:
            yield Finding(
                "relays exist", name, False, f"{error}; compare smu.tiles with the cards in the mainframe"
            )
            continue
        yield Finding("relays exist", name, True, f"{len(points)} wired relays answer")
        yield Finding("wired relays open", name, not closed, f"{', '.join(sorted(closed)) or 'none'} closed")


def _facts(name: str, one: Instrument) -> InstrumentFacts:
    fields = [*re.split(r"\s*,\s*", one.identity), "", "", "", ""]
    return InstrumentFacts(
        name, fields[1].removeprefix("Model "), one.link.resource, one.identity, fields[2], fields[3],
        _interlock(one),
    )  # fmt: skip


def _interlock(one: Instrument) -> str | None:
    if isinstance(one, Keithley2600B):
        return "asserted" if one.interlock_asserted() else "not asserted"
    if isinstance(one, KeysightB2900):
        return "open" if one.interlock_open() else "closed"
    return None


def _each(opened: SmuInstruments) -> Iterator[tuple[str, Instrument]]:
    """Sources first: they go off before relays open."""
    for name, one in (*opened.sources.items(), *opened.matrices.items()):
        if isinstance(one, Instrument):
            yield name, one


def _shapes(description: BenchDescription) -> str:
    return "tiles of " + ", ".join(f"{rows} x {columns}" for rows, columns in description.shapes)
