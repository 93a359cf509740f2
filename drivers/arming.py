"""From a connected bench to one that may be energised: states, and what each step asks for (DESIGN 8).

One `Arming` is shared by all guards of a bench: a fault on one crossbar closes them all, since they share
instruments. Only `energise` lets anything through, and only on an armed bench.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import ClosedError, NotArmedError
from .contract import SafeState


class BenchState(StrEnum):
    """Where a bench stands."""

    DISCONNECTED = "DISCONNECTED"
    """Nothing is open."""
    CONNECTED = "CONNECTED"
    """Instruments are open, known, and proven off."""
    VERIFIED = "VERIFIED"
    """They and the bench file are those of a passive check that passed."""
    ARMED = "ARMED"
    """Somebody said that the die may be energised."""
    RUNNING = "RUNNING"
    """It was."""
    SAFE = "SAFE"
    """All outputs off and relays open, read back; still armed, so the experiment may go on."""
    FAULT = "FAULT"
    """Something went wrong; all is off, read back. The bench must be opened anew."""
    UNKNOWN = "UNKNOWN"
    """It could not be read back that all is off."""


@dataclass(frozen=True)
class Qualification:
    """A passive check that was made of a bench, as far as arming needs it.

    Attributes:
        bench_hash: of the text of the bench file, see `text_hash`.
        identities: what each instrument answered to `*IDN?`, by name.
        passed: whether everything was in order.
        checked_utc: when, ISO 8601.
    """

    bench_hash: str
    identities: Mapping[str, str]
    passed: bool
    checked_utc: str

    @property
    def hash(self) -> str:
        """Of the bench file and the instruments together."""
        return qualification_hash(self.bench_hash, self.identities)


def text_hash(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def qualification_hash(bench_hash: str, identities: Mapping[str, str]) -> str:
    """SHA-256 of a bench file's hash and the identities of its instruments."""
    return text_hash(json.dumps([bench_hash, dict(sorted(identities.items()))], ensure_ascii=True))


@dataclass
class Arming:
    """The state of a bench.

    Attributes:
        hardware: whether instruments are energised; a simulated bench needs no check and no arming.
        state: where it stands.
        identities: of the instruments that are connected.
    """

    hardware: bool = True
    state: BenchState = BenchState.DISCONNECTED
    identities: Mapping[str, str] = field(default_factory=dict)
    _cause: str = ""

    @classmethod
    def simulated(cls) -> "Arming":
        """Of a bench without instruments, ready to run."""
        return cls(hardware=False, state=BenchState.ARMED)

    def connect(self, identities: Mapping[str, str]) -> None:
        """Instruments are open, known and proven off."""
        self._refuse_unless(BenchState.DISCONNECTED)
        self.identities = dict(identities)
        self.state = BenchState.CONNECTED

    def verify(self, checked: Qualification, bench_hash: str) -> None:
        """Compare with a passive check.

        Raises:
            NotArmedError: the check failed, or was of another bench file or other instruments.
        """
        self._refuse_unless(BenchState.CONNECTED, BenchState.VERIFIED)
        if not checked.passed:
            raise NotArmedError(f"the check of {checked.checked_utc} did not pass; {_CHECK_AGAIN}")
        if checked.bench_hash != bench_hash:
            raise NotArmedError(
                f"the bench file has changed since the check of {checked.checked_utc}; {_CHECK_AGAIN}"
            )
        for name in sorted({*checked.identities, *self.identities}):
            found, expected = self.identities.get(name, "nothing"), checked.identities.get(name, "nothing")
            if found != expected:
                raise NotArmedError(
                    f"instrument {name} answers {found!r}; the check of {checked.checked_utc} found "
                    f"{expected!r}. Nothing was energised; {_CHECK_AGAIN}"
                )
        self.state = BenchState.VERIFIED

    def arm(self) -> None:
        """Let the die be energised from here on.

        Raises:
            NotArmedError: the bench is not verified.
        """
        if self.hardware or self.state is not BenchState.ARMED:
            self._refuse_unless(BenchState.VERIFIED)
            self.state = BenchState.ARMED

    def energise(self) -> None:
        """Before anything is sent that puts a voltage on the die.

        Raises:
            ClosedError: after a fault, or when it is UNKNOWN whether all is off.
            NotArmedError: the bench is not armed.
        """
        if self.state is BenchState.FAULT:
            raise ClosedError(
                f"the guard is closed after a fault ({self._cause}); find its cause, then open the bench anew"
            )
        if self.state is BenchState.UNKNOWN:
            raise ClosedError(
                f"outputs are UNKNOWN ({self._cause}); switch the instruments off by hand, find the cause, "
                "then open the bench anew"
            )
        if self.state not in (BenchState.ARMED, BenchState.RUNNING, BenchState.SAFE):
            raise NotArmedError(
                f"the bench is {self.state}, not ARMED; nothing was sent. {_NEXT[self.state]}"
            )
        self.state = BenchState.RUNNING

    def fault(self, cause: str, left: SafeState) -> None:
        """Something went wrong, and the bench was made safe: as `left` says."""
        self._cause = cause
        self.state = BenchState.FAULT if left.proven else BenchState.UNKNOWN

    def made_safe(self, left: SafeState) -> None:
        """The bench was made safe, as `left` says; neither a fault nor an unknown state is forgotten."""
        if not left.proven:
            self._cause = self._cause or left.detail
            self.state = BenchState.UNKNOWN
        elif self.state in (BenchState.ARMED, BenchState.RUNNING):
            self.state = BenchState.SAFE

    def disconnect(self) -> None:
        """Nothing is open any more; that a bench was left in a fault or unknown stays known."""
        if self.state not in (BenchState.FAULT, BenchState.UNKNOWN):
            self.state = BenchState.DISCONNECTED

    def _refuse_unless(self, *states: BenchState) -> None:
        if self.state not in states:
            raise NotArmedError(
                f"the bench is {self.state}; {' or '.join(states)} is needed for this step. "
                f"{_NEXT[self.state]}"
            )


_CHECK_AGAIN = "run `mtjloop check` again"
_NEXT = {
    BenchState.DISCONNECTED: "Open it first",
    BenchState.CONNECTED: "Verify it against its passive check first: `mtjloop check`, then --arm",
    BenchState.VERIFIED: "Arm it first (--arm)",
    BenchState.ARMED: "It is armed already",
    BenchState.RUNNING: "It is running already",
    BenchState.SAFE: "It is armed already",
    BenchState.FAULT: "Find the cause of the fault, then open it anew",
    BenchState.UNKNOWN: "Switch the instruments off by hand, then open it anew",
}
"""What to do in each state."""
