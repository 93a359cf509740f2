"""Sun RPC version 2 over TCP (RFC 5531) with XDR (RFC 4506), as far as VXI-11 needs it.

pyvisa-py has a server too, which never notices that its client has hung up.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from .listener import Gone

_LAST_FRAGMENT = 0x8000_0000
_LARGEST = 1 << 24
_CALL, _REPLY = 0, 1


class Status(IntEnum):
    """What becomes of an accepted call."""

    SUCCESS = 0
    NO_PROGRAM = 1
    NO_VERSION = 2
    NO_PROCEDURE = 3
    GARBAGE = 4


class Arguments:
    """Reads XDR values one after another.

    Raises:
        ValueError: there are too few bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        """An unsigned integer."""
        return int(struct.unpack("!I", self._take(4))[0])

    def opaque(self) -> bytes:
        """Bytes with their length before them, filled up to a multiple of four."""
        count = self.number()
        data = self._take(count)
        self._take(-count % 4)
        return data

    def _take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError(f"{count} bytes at {self._at} of {len(self._data)} were expected")
        data = self._data[self._at : self._at + count]
        self._at += count
        return data


@dataclass(frozen=True)
class Call:
    """A call as it arrived.

    Attributes:
        number: which its reply repeats.
        program: and its version, and its procedure.
        arguments: of the procedure.
    """

    number: int
    program: int
    version: int
    procedure: int
    arguments: Arguments


def read_call(record: bytes) -> Call:
    """The call in a record.

    Raises:
        Gone: it is none; there is no answer to that.
    """
    data = Arguments(record)
    try:
        number, kind, rpc_version = data.number(), data.number(), data.number()
        call = Call(number, data.number(), data.number(), data.number(), data)
        for _ in ("credentials", "verifier"):
            data.number()
            data.opaque()
    except ValueError:
        raise Gone from None
    if kind != _CALL or rpc_version != 2:
        raise Gone
    return call


def reply(call: Call, status: Status, results: bytes = b"") -> bytes:
    """The record that answers a call."""
    return _record(struct.pack("!6I", call.number, _REPLY, 0, 0, 0, status) + results)


def numbers(*values: int) -> bytes:
    """XDR of unsigned integers."""
    return struct.pack(f"!{len(values)}I", *values)


def opaque(data: bytes) -> bytes:
    """XDR of bytes with their length."""
    return numbers(len(data)) + data + bytes(-len(data) % 4)


def fragment(mark: bytes) -> tuple[int, bool]:
    """Length of the fragment that four bytes announce, and whether it is the last of its record.

    Raises:
        Gone: it is too long to be meant.
    """
    (value,) = struct.unpack("!I", mark)
    length = value & ~_LAST_FRAGMENT
    if length > _LARGEST:
        raise Gone
    return length, bool(value & _LAST_FRAGMENT)


def _record(data: bytes) -> bytes:
    return numbers(_LAST_FRAGMENT | len(data)) + data
