"""Opening a link by the one address a bench file gives."""

from .link import Link
from .serial_link import SerialLink, SerialSettings
from .transcript import Transcript
from .visa_link import VisaLink


def open_link(
    address: str,
    expected: str,
    *,
    manager: str | None = None,
    settings: SerialSettings | None = None,
    timeout: float = 2.0,
    transcript: Transcript | None = None,
) -> Link:
    """A link to an instrument whose identity is verified; nothing but the identity query is sent.

    Args:
        address: a VISA resource name (anything with `::`), or a serial port such as `/dev/ttyUSB0` or
            `COM3`.
        expected: regular expression that the identity must contain.
        manager: VISA library, see `VisaLink`.
        settings: line settings of a serial port.
        timeout: for one reply, s.
        transcript: file that every byte goes to.

    Raises:
        LinkError: see `VisaLink` and `SerialLink`.
    """
    if "::" in address:
        return VisaLink(
            address, expected, manager=manager, settings=settings, timeout=timeout, transcript=transcript
        )
    return SerialLink(address, expected, settings=settings, timeout=timeout, transcript=transcript)
