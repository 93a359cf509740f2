"""The instruments of a bench while it is open: proven off, set up, relays and outputs kept in order."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from ..errors import CapabilityError, ClosedError, IdentityError, LinkError, MtjloopError, ReadbackError
from ..instruments import (
    ChannelSettings,
    Keithley707B,
    Keithley2600B,
    Keithley3706A,
    KeysightB2900,
    Link,
    PulseSource,
    RoutedKeithley2600B,
    RoutedSource,
    SafeOff,
    SerialSettings,
    SourceMeasure,
    SwitchMatrix,
    Transcript,
    open_link,
)
from ..instruments.tsp import TspInstrument
from .contract import SafeState
from .reservation import reserve
from .routes import Point
from .smu_file import InstrumentSection, ModelName, SmuSection
from .wiring import SOURCES, Channel, Wiring

IDENTITIES: Mapping[ModelName, str] = {
    "keithley-2600b": Keithley2600B.IDENTITY,
    "keysight-b2900": KeysightB2900.IDENTITY,
    "keithley-707b": Keithley707B.IDENTITY,
    "keithley-3706a": Keithley3706A.IDENTITY,
}


class Source(SourceMeasure, PulseSource, Protocol):
    """A source-measure unit that also gives pulse trains."""


@dataclass
class SmuInstruments:
    """Open instruments, and what is known of them.

    Attributes:
        sources: source-measure units by name.
        matrices: switch matrices by name.
        identities: what each answered to `*IDN?`.
        routed: the source whose scripts switch the relays, if there is one.
        close: gives up all links.
        closed: relays closed, as last read back; None if unknown.
        doubt: why nothing more is sent but what switches off; None if all is well.
    """

    sources: Mapping[str, Source]
    matrices: Mapping[str, SwitchMatrix]
    identities: Mapping[str, str]
    routed: RoutedSource | None
    close: Callable[[], None]
    closed: frozenset[Point] | None = frozenset()
    doubt: str | None = None

    @contextmanager
    def operation(self, what: str) -> Iterator[None]:
        """Around everything that sends. After any error what was done is in doubt, and nothing is repeated.

        Raises:
            ClosedError: an earlier operation ended in doubt; nothing was sent.
        """
        if self.doubt is not None:
            raise ClosedError(
                f"the bench is in doubt since {self.doubt}; nothing was sent. Find the cause, open the bench "
                "anew and read the chip before going on"
            )
        try:
            yield
        except CapabilityError:  # raised before anything is sent
            raise
        except BaseException as error:
            self.doubt = f"a {what} ended with {type(error).__name__}: {error}"
            self.closed = None
            raise

    def route(self, points: frozenset[Point]) -> None:
        """Make these the only closed relays; outputs are off between operations, so none moves hot.

        Raises:
            ReadbackError: other relays are closed now.
        """
        if self.closed == points:
            return
        before, self.closed = self.closed, None
        for name, matrix in self.matrices.items():
            mine = {point for matrix_name, point in points if matrix_name == name}
            if before is None or mine != {point for matrix_name, point in before if matrix_name == name}:
                matrix.set_closed(mine)
        self.closed = points

    def safe(self) -> SafeState:
        """Outputs off, then relays open, all read back. Never raises for an instrument that is gone.

        Relays open even if an output is not proven off: the die comes first.
        """
        states = []
        everything: dict[str, Source | SwitchMatrix] = {**self.sources, **self.matrices}
        for name, one in everything.items():
            states.append(_made_safe(name, one.make_safe))
            self._release(name, one)
        proven = all(state.proven for state in states)
        self.closed = frozenset() if proven else None
        if not proven and self.doubt is None:
            self.doubt = "outputs or relays were not proven off"
        return SafeState(proven, "; ".join(state.detail for state in states))

    def release(self) -> None:
        """On a TSP-Link: let any instrument take the lead, whichever was spoken to last."""
        for name, one in self.matrices.items():
            self._release(name, one)

    def _release(self, name: str, instrument: Source | SwitchMatrix) -> None:
        """On a TSP-Link: let another instrument take the lead, which this one took by being spoken to."""
        try:
            if self.routed is not None and isinstance(instrument, TspInstrument):
                instrument.release()
        except MtjloopError as error:
            self.doubt = self.doubt or f"{name} could not be released: {error}"


def open_instruments(
    section: SmuSection, wiring: Wiring, settings: ChannelSettings, transcript_path: Path | None = None
) -> SmuInstruments:
    """Open all instruments, prove them off, then set them up.

    Identities and serial numbers are verified first, on every instrument; then outputs are switched off and
    relays opened and both read back; only then is anything set up.

    Args:
        section: `smu:` of the bench file.
        wiring: as read from it.
        settings: of every channel.
        transcript_path: file that every byte goes to.

    Raises:
        LinkError: instruments cannot be reached, are others than the bench file names (all are listed), or
            are open in another process.
        ReadbackError: an output or a relay is not proven off.
    """
    with ExitStack() as opened:  # closed in reverse order, also when opening fails half way
        opened.enter_context(reserve(one.resource for one in section.instruments.values()))
        transcript = None
        if transcript_path is not None:
            transcript = Transcript(transcript_path)
            opened.callback(transcript.close)
        links = _open_links(section, transcript, opened)
        instruments = _attach(section, wiring, links, opened.close)
        instruments.release()
        state = instruments.safe()
        if not state.proven:
            raise ReadbackError(
                f"the bench cannot be proven off ({state.detail}); nothing was set up. Switch the "
                "instruments off by hand and find the cause"
            )
        _set_connect_rule(instruments, section)
        _join(instruments, section, wiring, links)
        for channel in wiring.channels:
            _source(instruments, channel).configure(channel.name, settings)
        return replace(instruments, close=opened.pop_all().close)


def _open_links(section: SmuSection, transcript: Transcript | None, opened: ExitStack) -> dict[str, Link]:
    """Links to all instruments, each closed with `opened`; all that cannot be reached are named."""
    links: dict[str, Link] = {}
    failures: list[str] = []
    for name, one in section.instruments.items():
        try:
            links[name] = _open_link(section, one, transcript)
            opened.callback(links[name].close)
            _check_serial_number(name, one, links[name])
        except LinkError as error:
            failures.append(f"smu.instruments.{name}: {error}")
    if failures:
        raise LinkError("\n".join(failures))
    return links


def _open_link(section: SmuSection, one: InstrumentSection, transcript: Transcript | None) -> Link:
    settings = None if one.baud is None else SerialSettings(baud=one.baud)
    return open_link(
        one.resource,
        IDENTITIES[one.model],
        manager=section.visa_library,
        settings=settings,
        timeout=one.timeout,
        transcript=transcript,
    )


def _check_serial_number(name: str, one: InstrumentSection, link: Link) -> None:
    if one.serial_number is not None and one.serial_number not in re.split(r"\s*,\s*", link.identity):
        raise IdentityError(
            f"{link.resource} is {link.identity!r}; serial_number of {name} is {one.serial_number}. Nothing "
            "but the identity query was sent: check cables and addresses, or correct the bench file"
        )


def _attach(
    section: SmuSection, wiring: Wiring, links: Mapping[str, Link], close: Callable[[], None]
) -> SmuInstruments:
    """Instrument objects on the links. Formats are set and scripts loaded; no output or relay changes."""
    sources: dict[str, Source] = {}
    matrices: dict[str, SwitchMatrix] = {}
    routed: RoutedSource | None = None
    for name, one in section.instruments.items():
        link = links[name]
        match one.model:
            case "keithley-2600b" if wiring.routed == name:
                sources[name] = routed = RoutedKeithley2600B(link, numbers=_numbers(one, "ascii"))
            case "keithley-2600b":
                sources[name] = Keithley2600B(link, numbers=_numbers(one, "ascii"))
            case "keysight-b2900":
                sources[name] = KeysightB2900(link, numbers=_numbers(one, "real64"))
            case "keithley-707b":
                matrices[name] = Keithley707B(link)
            case "keithley-3706a":
                matrices[name] = Keithley3706A(link)
    _check_channels(wiring, sources)
    identities = {name: link.identity for name, link in links.items()}
    return SmuInstruments(sources, matrices, identities, routed, close)


def _numbers(one: InstrumentSection, default: Literal["ascii", "real64"]) -> Literal["ascii", "real64"]:
    return one.numbers or default


def _check_channels(wiring: Wiring, sources: Mapping[str, Source]) -> None:
    for channel in wiring.channels:
        found = sources[channel.instrument].channels
        if channel.name not in found:
            raise IdentityError(
                f"{channel} is wired, and the instrument has channel {', '.join(found)} only; "
                f"{', '.join(SOURCES['keithley-2600b'])} are those of a two-channel model"
            )


def _set_connect_rule(instruments: SmuInstruments, section: SmuSection) -> None:
    for matrix in instruments.matrices.values():
        if isinstance(matrix, Keithley707B) and not section.break_before_make:
            matrix.set_connect_rule("OFF")


def _join(
    instruments: SmuInstruments, section: SmuSection, wiring: Wiring, links: Mapping[str, Link]
) -> None:
    if isinstance(instruments.routed, RoutedKeithley2600B):
        ((name, matrix),) = instruments.matrices.items()
        slowest = matrix.operate_time if section.relay_time is None else 2.0 * section.relay_time
        instruments.routed.join(wiring.tsp_link.index(name) + 1, links[name], slowest)


def _source(instruments: SmuInstruments, channel: Channel) -> Source:
    return instruments.sources[channel.instrument]


def _made_safe(name: str, make_safe: Callable[[], SafeOff]) -> SafeOff:
    try:
        state = make_safe()
    except MtjloopError as error:
        return SafeOff(False, f"{name}: {error}")
    return SafeOff(state.proven, f"{name}: {state.detail}")
