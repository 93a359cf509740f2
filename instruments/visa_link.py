"""A link by VISA resource name: sockets, HiSLIP, VXI-11, GPIB, USB and serial ports, through PyVISA."""

import select
import socket
import sys
import time

import pyvisa
from pyvisa.constants import (
    AccessModes,
    BufferOperation,
    ControlFlow,
    Parity,
    ResourceAttribute,
    StatusCode,
    StopBits,
)
from pyvisa.errors import InvalidSession, LibraryError, VisaIOError
from pyvisa.resources import MessageBasedResource
from pyvisa.rname import InvalidResourceName, TCPIPSocket, parse_resource_name

from ..errors import LinkLost
from .base_link import BaseLink
from .serial_link import GONE, SerialSettings
from .transcript import Transcript

SLICE = 0.05
"""Longest single wait on a pyvisa-py socket, s: pyvisa-py spins through a peer's end of file until its
timeout."""

_GONE = (VisaIOError, InvalidSession, RuntimeError, EOFError, *GONE)
"""What PyVISA and its backends raise when an instrument is gone: a refused port is a bare
ConnectionRefusedError at the first transfer, a closed one a bare BrokenPipeError, a dropped HiSLIP connection
a bare RuntimeError. Transfers go further and take every exception for a lost instrument."""

_ENDS = (StatusCode.success, StatusCode.success_termination_character_read)
"""Status of a read that ends with a message; pyvisa-py's HiSLIP reports an END as the second."""

_PARITY = {"N": Parity.none, "E": Parity.even, "O": Parity.odd}
_FLOW = {"none": 0, "xonxoff": ControlFlow.xon_xoff, "rtscts": ControlFlow.rts_cts}
_STOP = {1: StopBits.one, 2: StopBits.two}


class VisaLink(BaseLink):
    """A link by VISA resource name, such as `TCPIP::10.0.0.5::5025::SOCKET`.

    Args:
        resource: `TCPIP::host::port::SOCKET`, `TCPIP::host::hislip0::INSTR`, `TCPIP::host::INSTR` (VXI-11),
            `GPIB0::26::INSTR`, `USB0::...::INSTR` or `ASRL/dev/ttyUSB0::INSTR` (`ASRL3::INSTR`).
        expected: regular expression that the identity must contain.
        manager: PyVISA's choice of VISA library: a path, `@ivi` or `@py`. None takes the installed vendor
            library if there is one and pyvisa-py otherwise.
        settings: line settings, for ASRL resources only.
        timeout: for one reply, s.
        termination: ends every message, both ways.
        identity_query: asks for the identity.
        transcript: file that every byte goes to.

    Raises:
        LinkLost: nothing is there, or the resource name or the VISA library cannot be used.
        LinkTimeout: something is there and does not answer.
        IdentityError: another instrument answers.
    """

    def __init__(
        self,
        resource: str,
        expected: str,
        *,
        manager: str | None = None,
        settings: SerialSettings | None = None,
        timeout: float = 2.0,
        termination: str = "\n",
        identity_query: str = "*IDN?",
        transcript: Transcript | None = None,
    ) -> None:
        self._manager = manager
        self._settings = settings or SerialSettings()
        self._visa: MessageBasedResource | None = None
        self._socket: socket.socket | None = None
        self._waits = 0.0
        super().__init__(
            resource,
            expected,
            timeout=timeout,
            termination=termination,
            identity_query=identity_query,
            transcript=transcript,
        )

    def _connect(self) -> None:
        self._resolve_host()
        try:
            opened = resource_manager(self._manager).open_resource(
                self._resource, access_mode=AccessModes.no_lock, open_timeout=round(self._timeout * 1e3)
            )
        except Exception as error:  # pyvisa-py raises bare Exception for a host that does not answer
            raise self._lost(error) from error
        if not isinstance(opened, MessageBasedResource):
            opened.close()
            raise self._lost(f"{type(opened).__name__} takes no messages")
        self._visa = opened
        try:
            self._configure(opened)
        except _GONE as error:
            raise self._lost(error) from error

    def _resolve_host(self) -> None:
        """Look a socket's host name up first: pyvisa-py leaks a socket if it does not resolve."""
        try:
            parsed = parse_resource_name(self._resource)
            if isinstance(parsed, TCPIPSocket):
                socket.getaddrinfo(parsed.host_address, int(parsed.port), socket.AF_INET)
        except (ValueError, InvalidResourceName, OSError) as error:
            raise self._lost(error) from error

    def _configure(self, visa: MessageBasedResource) -> None:
        if len(self._termination) == 1:
            # Makes reads end at the termination instead of at the timeout; lines are cut by the base class.
            visa.set_visa_attribute(ResourceAttribute.termchar, self._termination[0])
            visa.set_visa_attribute(ResourceAttribute.termchar_enabled, True)
        name = self._resource.upper()
        if name.startswith("ASRL"):
            visa.set_visa_attribute(ResourceAttribute.asrl_baud_rate, self._settings.baud)
            visa.set_visa_attribute(ResourceAttribute.asrl_data_bits, self._settings.data_bits)
            visa.set_visa_attribute(ResourceAttribute.asrl_parity, _PARITY[self._settings.parity])
            visa.set_visa_attribute(ResourceAttribute.asrl_stop_bits, _STOP[self._settings.stop_bits])
            visa.set_visa_attribute(ResourceAttribute.asrl_flow_control, _FLOW[self._settings.flow])
        self._socket = _pyvisa_py_socket(visa)
        if self._socket is not None:
            # Without this pyvisa-py loses what came before a timeout.
            visa.set_visa_attribute(ResourceAttribute.suppress_end_enabled, False)
        self._waits = 0.0
        if self._has_messages():
            # A reply that an earlier session left unread would be taken for the identity.
            try:
                visa.clear()
            except (VisaIOError, NotImplementedError) as error:
                self._note(f"device clear at opening is not supported: {error}")

    def _disconnect(self) -> None:
        visa, self._visa, self._socket = self._visa, None, None
        if visa is not None:
            try:
                visa.close()
            except _GONE as error:
                self._note(f"closing failed: {error}")

    def _send(self, data: bytes) -> None:
        visa = self._opened()
        try:
            visa.write_raw(data)
        except Exception as error:  # see _GONE
            raise self._lost(error) from error

    def _receive(self, count: int, timeout: float) -> bytes:
        visa = self._opened()
        waits = timeout if self._socket is None else min(timeout, SLICE)
        try:
            if waits != self._waits:
                visa.timeout = max(round(waits * 1e3), 1)
                self._waits = waits
            with visa.ignore_warning(
                StatusCode.success_device_not_present, StatusCode.success_max_count_read
            ):
                data, status = visa.visalib.read(visa.session, count)
        except Exception as error:  # see _GONE
            if not (isinstance(error, VisaIOError) and error.error_code == StatusCode.error_timeout):
                raise self._lost(error) from error
            self._refuse_end_of_file()
            return b""
        received = bytes(data)
        if not received:
            # pyvisa-py's HiSLIP answers a second read after one write with nothing, at once: no empty line.
            time.sleep(1e-3)
            return b""
        if self._has_messages() and status in _ENDS and not received.endswith(self._termination):
            received += self._termination  # the END of a message is as good as its termination
        return received

    def _refuse_end_of_file(self) -> None:
        """Tell a peer that closed its end from one that is slow; both are timeouts to pyvisa-py."""
        if self._socket is None:
            return
        if sys.platform == "win32":  # no MSG_DONTWAIT there
            self._socket.setblocking(False)
        try:
            flags = socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)
            if self._socket.recv(1, flags) == b"":
                raise self._lost("the instrument closed the connection")
        except BlockingIOError:
            return
        except OSError as error:
            raise self._lost(error) from error
        finally:
            if sys.platform == "win32":
                self._socket.setblocking(True)

    def _device_clear(self) -> None:
        visa = self._opened()
        try:
            if self._is_serial():
                visa.flush(BufferOperation.discard_read_buffer)
            elif self._has_messages():
                visa.clear()
        except _GONE as error:
            raise self._lost(error) from error

    def _drain(self) -> bytes:
        # A device clear has emptied a message transport; waiting for silence there upsets some instruments.
        if self._has_messages():
            dropped = bytes(self._buffer)
            self._buffer.clear()
            return dropped
        return super()._drain()

    def _unread(self) -> bool:
        visa = self._opened()
        try:
            if self._socket is not None:
                ready, _, _ = select.select([self._socket], [], [], 0)
                if ready:
                    self._refuse_end_of_file()
                return bool(ready) or bool(_pyvisa_py_kept(visa))
            return self._is_serial() and visa.get_visa_attribute(ResourceAttribute.asrl_avalaible_number) > 0
        except (*_GONE, ValueError) as error:
            raise self._lost(error) from error

    def _has_messages(self) -> bool:
        """Whether the transport marks the end of a message and has a device clear."""
        return self._resource.upper().endswith("INSTR") and not self._is_serial()

    def _is_serial(self) -> bool:
        return self._resource.upper().startswith("ASRL")

    def _opened(self) -> MessageBasedResource:
        if self._visa is None:
            raise LinkLost(f"{self._resource} is closed; reopen it")
        return self._visa


def resource_manager(choice: str | None = None) -> pyvisa.ResourceManager:
    """The PyVISA resource manager of a choice; see `VisaLink`.

    PyVISA keeps one manager for each library and closing it closes every link, so it is never closed here.

    Raises:
        OSError, ValueError: the chosen library is not there.
    """
    if choice is not None:
        return pyvisa.ResourceManager(choice)
    try:
        return pyvisa.ResourceManager("@ivi")
    except (OSError, ValueError, LibraryError):
        return pyvisa.ResourceManager("@py")


def _pyvisa_py_socket(visa: MessageBasedResource) -> socket.socket | None:
    """The socket of a pyvisa-py SOCKET resource, None for all others."""
    if not visa.resource_name.upper().endswith("SOCKET"):
        return None
    interface = getattr(_pyvisa_py_session(visa), "interface", None)
    return interface if isinstance(interface, socket.socket) else None


def _pyvisa_py_session(visa: MessageBasedResource) -> object:
    return getattr(visa.visalib, "sessions", {}).get(visa.session)


def _pyvisa_py_kept(visa: MessageBasedResource) -> object:
    """What pyvisa-py has read from its socket and not handed over yet."""
    return getattr(_pyvisa_py_session(visa), "_pending_buffer", b"")
