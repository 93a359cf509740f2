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
