"""A link over a serial port, by pyserial."""

import os
import sys
from dataclasses import dataclass
from typing import Literal

import serial

from ..errors import LinkLost
from .base_link import BaseLink
from .transcript import Transcript

if sys.platform == "win32":
    _TerminalError = OSError
else:
    import termios

    _TerminalError = termios.error

GONE = (serial.SerialException, OSError, _TerminalError)
"""What pyserial raises when a port is gone; `termios.error`, from flushing one, is no OSError."""


@dataclass(frozen=True)
class SerialSettings:
    """Line settings; both ends must agree.

    Attributes:
        baud: bits a second.
        data_bits: 5 to 8.
        parity: "N" none, "E" even, "O" odd.
        stop_bits: 1 or 2.
        flow: "none", "rtscts" or "xonxoff".
    """

    baud: int = 9600
    data_bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    flow: Literal["none", "rtscts", "xonxoff"] = "none"


class SerialLink(BaseLink):
    """A link over a serial port.

    The port is opened exclusively where the system can, so that no second program talks to the instrument.
    A serial line has no device clear: `clear` waits until the line is silent and asks for the identity.

    Args:
        port: such as `/dev/ttyUSB0` or `COM3`.
        expected: regular expression that the identity must contain.
        settings: of the line.
        timeout: for one reply, s.
        termination: ends every message, both ways.
        identity_query: asks for the identity.
        transcript: file that every byte goes to.

    Raises:
        LinkLost: the port cannot be opened.
        LinkTimeout: nothing answers.
        IdentityError: another instrument answers.
    """

    def __init__(
        self,
        port: str,
        expected: str,
        *,
        settings: SerialSettings | None = None,
        timeout: float = 2.0,
        termination: str = "\n",
        identity_query: str = "*IDN?",
        transcript: Transcript | None = None,
    ) -> None:
        self._settings = settings or SerialSettings()
        self._port: serial.Serial | None = None
        super().__init__(
            port,
            expected,
            timeout=timeout,
            termination=termination,
            identity_query=identity_query,
            transcript=transcript,
        )

    def _connect(self) -> None:
        line = self._settings
        try:
            self._port = serial.Serial(
                self._resource,
                baudrate=line.baud,
                bytesize=line.data_bits,
                parity=line.parity,
                stopbits=line.stop_bits,
                rtscts=line.flow == "rtscts",
                xonxoff=line.flow == "xonxoff",
                timeout=0.0,
                write_timeout=self._timeout,
                exclusive=True if os.name == "posix" else None,
            )
            self._port.reset_input_buffer()
        except (*GONE, ValueError) as error:
            raise self._lost(error) from error

    def _disconnect(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            try:
                port.close()
            except GONE as error:
                self._note(f"closing failed: {error}")

    def _send(self, data: bytes) -> None:
        port = self._open_port()
        try:
            port.write(data)
            port.flush()
        except GONE as error:
            raise self._lost(error) from error

    def _receive(self, count: int, timeout: float) -> bytes:
        port = self._open_port()
        try:
            waiting = port.in_waiting
            if not waiting:
                port.timeout = timeout
                first = port.read(1)
                return first + port.read(min(port.in_waiting, count - 1)) if first else b""
            return port.read(min(waiting, count))
        except GONE as error:
            raise self._lost(error) from error

    def _unread(self) -> bool:
        try:
            return self._open_port().in_waiting > 0
        except GONE as error:
            raise self._lost(error) from error

    def _open_port(self) -> serial.Serial:
        if self._port is None:
            raise LinkLost(f"{self._resource} is closed; reopen it")
        return self._port
