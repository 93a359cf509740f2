"""The guard between every experiment and every backend: it refuses before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np

from ..errors import CapabilityError, ConvergenceError, FaultError, LimitError
from .arming import Arming
from .checks import quantised_bias, quantised_pulse
from .contract import (
    Applied,
    Bias,
    Capabilities,
    Crossbar,
    Pulse,
    Reading,
    SafeState,
    device_voltage_bound,
    level_span,
)

if TYPE_CHECKING:
    from .compiled_crossbar import CompiledCrossbar

Answer = TypeVar("Answer")

MADE, REFUSED, OVER_CURRENT, UNSOLVED = 0, 1, 2, 3
"""How an operation made by compiled code ended, see `Guard.settle`."""


@dataclass(frozen=True)
class Limits:
    """Absolute limits of one die.

    Attributes:
        device_voltage: largest magnitude any junction may see, V. Checked on the spread of the driven
            levels, which no cell can exceed.
        read_voltage: the same for a read, V.
        line_current: largest magnitude in one line, A. Backends hold it as compliance; the guard stops at
            the first sign that it was met.
        pulse_width: longest pulse, s.
    """

    device_voltage: float
    read_voltage: float
    line_current: float
    pulse_width: float


@runtime_checkable
class Compilable(Protocol):
    """A crossbar that compiled code can operate."""

    def compiled(self, limits: Limits) -> "CompiledCrossbar":
        """This very crossbar, behind a guard with these limits."""
        ...


class Guard:
    """A crossbar that refuses what leaves its limits and makes the bench safe after a fault.

    A refused operation sends nothing and leaves the crossbar usable. After a fault everything but `safe`
    is refused until the bench is opened anew.

    Args:
        crossbar: behind the guard.
        limits: of its die.
        arming: state of the bench, shared by all its guards; None for a bench that needs no arming.
    """

    def __init__(self, crossbar: Crossbar, limits: Limits, arming: Arming | None = None) -> None:
        self._crossbar = crossbar
        self._limits = limits
        self._arming = Arming.simulated() if arming is None else arming

    @property
    def capabilities(self) -> Capabilities:
        """Those of the crossbar behind the guard."""
        return self._crossbar.capabilities

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse that keeps all limits; see `Crossbar.apply`."""
        # What is checked is what the bench will make of it, not what was asked.
        pulse = quantised_pulse(pulse, self.capabilities)
        self._check_voltage("pulse", device_voltage_bound(pulse), self._limits.device_voltage)
        width = pulse.width if isinstance(pulse.width, float) else float(np.max(pulse.width))
        if not width <= self._limits.pulse_width:
            raise LimitError(
                f"pulse width {width:g} s is over the limit of {self._limits.pulse_width:g} s "
                "(limits.pulse_width of the bench file); nothing was sent"
            )
        applied = self._watched(lambda: self._crossbar.apply(pulse))
        self._check_after("pulse", applied.compliance, applied.peak_current)
        return applied

    def read(self, bias: Bias) -> Reading:
        """Make a read that keeps all limits; see `Crossbar.read`."""
        bias = quantised_bias(bias, self.capabilities)
        low, high, _ = level_span(bias.levels.reshape(-1))
        self._check_voltage("read", high - low, self._limits.read_voltage)
        reading = self._watched(lambda: self._crossbar.read(bias))
        self._check_after("read", reading.compliance, reading.peak_current)
        return reading

    def compiled(self) -> "CompiledCrossbar | None":
        """The crossbar behind, with the same limits, for compiled code; None if it cannot be had.

        Ask `admit` before compiled code operates it, and `settle` after.
        """
        behind = self._crossbar
        return behind.compiled(self._limits) if isinstance(behind, Compilable) else None

    def admit(self) -> None:
        """Let compiled code operate the simulated crossbar behind this guard, within the same limits.

        Raises:
            SafetyError: the bench may not be energised, or a fault has stopped it.
        """
        self._arming.energise()

    def settle(self, ended: int, peak: float) -> None:
        """Judge how the latest operation of compiled code ended, as after any other.

        Args:
            ended: `MADE`; `REFUSED`: a limit or the range of the bench forbids it, nothing was done;
                `OVER_CURRENT`: a line met its limit; `UNSOLVED`: the array solve failed.
            peak: largest line current of the operation, A.

        Raises:
            LimitError: it was refused.
            FaultError: a line met its current limit.
            ConvergenceError: the array solve failed.
        """
        if ended == REFUSED:
            raise LimitError(
                f"an operation would leave a limit of the die ({self._limits.device_voltage:g} V in a pulse, "
                f"{self._limits.read_voltage:g} V in a read) or the range of the bench; nothing was sent; "
                "change the operation section of the bench file"
            )
        if ended == UNSOLVED:
            cause = "the array solve did not converge in a compiled loop; use smaller tiles"
            self._trip(cause)
            raise ConvergenceError(cause)
        self._check_after("read or pulse", ended == OVER_CURRENT, peak)

    def safe(self) -> SafeState:
        """All outputs off; always let through."""
        left = self._make_safe()
        self._arming.made_safe(left)
        return left

    def _check_voltage(self, what: str, asked: float, limit: float) -> None:
        if not asked <= limit * (1 + 1e-9):
            key = "device_voltage" if what == "pulse" else "read_voltage"
            raise LimitError(
                f"a {what} would put up to {asked:g} V across a junction, over the limit of {limit:g} V "
                f"(limits.{key} of the bench file); nothing was sent"
            )

    def _watched(self, operation: Callable[[], Answer]) -> Answer:
        """Run an operation; whatever ends it early leaves the bench safe.

        A refusal by the backend sent nothing, so it passes through and the guard stays open.
        """
        self._arming.energise()
        try:
            return operation()
        except CapabilityError:
            raise
        except BaseException as error:
            self._trip(f"{type(error).__name__}: {error}")
            raise

    def _check_after(self, what: str, compliance: bool | None, peak: float | None) -> None:
        if compliance or (peak is not None and not peak <= self._limits.line_current):
            current = "" if peak is None else f", {peak:.3g} A"
            cause = f"a line met its current limit of {self._limits.line_current:g} A in a {what}{current}"
            state = self._trip(cause)
            raise FaultError(
                f"{cause}; outputs are {'off (read back)' if state.proven else 'UNKNOWN'}; the {what} took "
                "place, so read the chip before trusting earlier maps, and look for a short"
            )

    def _trip(self, cause: str) -> SafeState:
        left = self._make_safe()
        self._arming.fault(cause, left)
        return left

    def _make_safe(self) -> SafeState:
        try:
            return self._crossbar.safe()
        except Exception as error:  # noqa: BLE001 - whatever it was, outputs are not proven off
            return SafeState(False, f"{type(error).__name__}: {error}")
