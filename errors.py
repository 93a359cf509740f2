"""The error hierarchy of mtjloop: every error a user can meet derives from `MtjloopError`.

A message names the thing, the value found, the accepted range and the next step.
"""


class MtjloopError(Exception):
    """Base of every error raised on purpose by mtjloop."""


class ConfigurationError(MtjloopError):
    """A bench, experiment, data or pattern file cannot be used as it is (exit code 2)."""


class CapabilityError(MtjloopError):
    """The crossbar cannot do what was asked: shape, floating line, width, level or orientation."""


class SafetyError(MtjloopError):
    """The guard stopped an operation, or a line left its limits."""


class LimitError(SafetyError):
    """An operation was refused before anything was sent, because it would leave a limit."""


class ClosedError(LimitError):
    """The guard is closed after a fault: nothing was sent."""


class NotArmedError(LimitError):
    """A bench that was not checked, or not armed, was to be energised: nothing was sent."""


class FaultError(SafetyError):
    """A limit was left while an operation ran; the crossbar was brought to a safe state."""


class ConvergenceError(MtjloopError):
    """An iterative solution did not reach its promised accuracy."""


class ProtocolError(MtjloopError):
    """An experiment cannot go on, for instance because the cells do not respond as it needs."""


class StoppedError(MtjloopError):
    """An experiment was asked to stop before it had anything to show."""


class RecordError(MtjloopError):
    """A run directory cannot be written or read."""


class DataError(ConfigurationError):
    """A data set is absent, malformed or does not fit the network."""


class LinkError(MtjloopError):
    """Talking to an instrument failed; what it did with the last command may be unknown."""


class LinkLost(LinkError):  # noqa: N818 - the name users know from the field
    """The instrument is gone: refused, reset, end of file, unplugged. Reopen the link before going on."""


class LinkTimeout(LinkError):  # noqa: N818 - the name users know from the field
    """No complete reply in time; it may still come, so the link is dirty until cleared or reopened."""


class LinkDirty(LinkError):  # noqa: N818 - names a state, like its two siblings
    """A query was refused, because a reply to an earlier one may still be on its way."""


class IdentityError(LinkError):
    """The instrument that answers is not the expected one; nothing but the identity query was sent."""


class ReplyError(LinkError):
    """A reply is not what the command answers; the link is dirty until cleared or reopened."""


class InstrumentError(MtjloopError):
    """The instrument reports an error of its own.

    Attributes:
        code: the instrument's error number.
        message: its text.
    """

    def __init__(self, code: int, message: str, detail: str = "") -> None:
        super().__init__(f"error {code}: {message}{f' ({detail})' if detail else ''}")
        self.code = code
        self.message = message


class ReadbackError(MtjloopError):
    """An instrument reads back another state than it was set to: a stuck relay, an output that stays on."""
