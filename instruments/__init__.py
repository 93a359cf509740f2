"""Real instruments: one file per model, on links that never hide a fault."""

from .link import Link
from .opening import open_link
from .serial_link import SerialLink, SerialSettings
from .transcript import Transcript
from .visa_link import VisaLink

__all__ = ["Link", "SerialLink", "SerialSettings", "Transcript", "VisaLink", "open_link"]
