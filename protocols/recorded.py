"""A crossbar whose every operation is recorded: a pulse before it is sent, and completed after."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from ..drivers.contract import Applied, Bias, Capabilities, Crossbar, Pulse, Reading, SafeState
from ..errors import CapabilityError, LimitError
from .journal import Journal


@dataclass
class Totals:
    """What was spent on a crossbar: pulses, reads, energy in J, bench time in s."""

    pulses: int = 0
    reads: int = 0
    energy: float = 0.0
    elapsed: float = 0.0

    @classmethod
    def of(cls, crossbars: Iterable["RecordedCrossbar"]) -> "Totals":
        """The sum over crossbars."""
        totals = [one.totals for one in crossbars]
        return cls(
            sum(one.pulses for one in totals),
            sum(one.reads for one in totals),
            sum(one.energy for one in totals),
            sum(one.elapsed for one in totals),
        )

    def by_name(self) -> dict[str, float]:
        """As results name them: pulses, reads, energy_J, bench_time_s."""
        return {
            "pulses": self.pulses,
            "reads": self.reads,
            "energy_J": self.energy,
            "bench_time_s": self.elapsed,
        }


@dataclass
class RecordedCrossbar:
    """A crossbar that writes to a journal and counts what is spent.

    Attributes:
        crossbar: the crossbar behind it.
        tile: its number on the bench.
        journal: where operations are recorded; None records nothing.
        totals: pulses, reads, energy and bench time so far.
        last_pulse: number of the latest pulse in the journal; None before the first, or without a journal.
    """

    crossbar: Crossbar
    tile: int
    journal: Journal | None = None
    totals: Totals = field(default_factory=Totals)
    last_pulse: int | None = None
    _purpose: str = "other"
    _epoch: int | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Those of the crossbar behind."""
        return self.crossbar.capabilities

    @property
    def purpose(self) -> tuple[str, int | None]:
        """Purpose and epoch under which operations are recorded now."""
        return self._purpose, self._epoch

    @contextmanager
    def during(self, purpose: str, epoch: int | None = None) -> Iterator[None]:
        """Record operations within the context under this purpose and epoch."""
        before = self._purpose, self._epoch
        self._purpose, self._epoch = purpose, epoch
        try:
            yield
        finally:
            self._purpose, self._epoch = before

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; see `Crossbar.apply`. A failed record write stops the pulse from being sent."""
        journal = self.journal
        if journal is None:
            applied = self.crossbar.apply(pulse)
        else:
            number = self._begin(journal, pulse)
            try:
                applied = self.crossbar.apply(pulse)
            except BaseException as error:
                _fail_pulse(journal, number, error)
                raise
            journal.complete_pulse(
                number,
                width=applied.width,
                energy=applied.energy,
                elapsed=applied.elapsed,
                compliance=applied.compliance,
                peak_current=applied.peak_current,
            )
        self.totals.pulses += pulse.repeat
        self.totals.energy += applied.energy or 0.0
        self.totals.elapsed += applied.elapsed
        return applied

    def read(self, bias: Bias) -> Reading:
        """Read; see `Crossbar.read`."""
        reading = self.crossbar.read(bias)
        count = 1 if bias.levels.ndim == 1 else len(bias.levels)
        if self.journal is not None:
            self.journal.count_reads(
                self.tile, self._purpose, self._epoch, count, reading.elapsed, reading.energy
            )
        self.totals.reads += count
        self.totals.energy += reading.energy or 0.0
        self.totals.elapsed += reading.elapsed
        return reading

    def record_made(self, pulse: Pulse, *, width: float, energy: float, peak_current: float) -> None:
        """Record a pulse that a compiled loop has given to a simulated crossbar and counted itself.

        Args:
            pulse: as asked.
            width: as given, s.
            energy: J.
            peak_current: largest line current, A.
        """
        if self.journal is None:
            return
        timing = self.capabilities.timing
        number = self._begin(self.journal, pulse)
        self.journal.complete_pulse(
            number,
            width=width,
            energy=energy,
            elapsed=timing.pulse_overhead + pulse.repeat * (width + timing.repeat_gap) - timing.repeat_gap,
            compliance=False,
            peak_current=peak_current,
        )

    def record_failed(self, pulse: Pulse, error: BaseException) -> None:
        """Record a pulse that a compiled loop could not give, or of which it is not known what it did."""
        if self.journal is not None:
            _fail_pulse(self.journal, self._begin(self.journal, pulse), error)

    def _begin(self, journal: Journal, pulse: Pulse) -> int:
        self.last_pulse = number = journal.begin_pulse(
            self.tile, self._purpose, self._epoch, pulse.rows, pulse.columns, pulse.width, pulse.repeat
        )
        return number

    def safe(self) -> SafeState:
        """All outputs off; see `Crossbar.safe`."""
        return self.crossbar.safe()


@contextmanager
def during(crossbars: Iterable[RecordedCrossbar], purpose: str, epoch: int | None = None) -> Iterator[None]:
    """Record operations of all these crossbars within the context under this purpose and epoch."""
    with ExitStack() as stack:
        for crossbar in crossbars:
            stack.enter_context(crossbar.during(purpose, epoch))
        yield


def _fail_pulse(journal: Journal, number: int, error: BaseException) -> None:
    """A refusal sent nothing; whatever else ends a pulse leaves it in doubt."""
    if isinstance(error, LimitError | CapabilityError):
        journal.fail_pulse(number, "refused", str(error))
    else:
        journal.fail_pulse(number, "doubtful", f"{type(error).__name__}: {error}")
