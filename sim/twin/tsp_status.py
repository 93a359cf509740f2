"""Status registers of TSP instruments: condition, event, enable and the summaries above them."""

from collections.abc import Callable

from .tsp import TspInstrument
from .tsp_tree import Group, as_number, whole


def register(condition: Callable[[], int], **bits: int) -> Group:
    """A register set whose condition is computed when it is read; events latch when they are.

    Args:
        condition: the bits that are true now.
        bits: names of bits.
    """
    group = Group()
    group.constants(**bits)
    group.attribute("condition", condition)
    group.attribute("event", condition)
    for name in ("enable", "ntr", "ptr"):
        group.setting(name, 32767 if name == "ptr" else 0, whole(0, 65535))
    return group


def add_status(instrument: TspInstrument) -> Group:
    """Add `status` with the standard event register; returns it for the registers of the model."""
    status = instrument.root.child("status")
    status.attribute("condition", instrument.status_byte)
    status.attribute("request_event", instrument.status_byte)
    status.attribute("node_event", instrument.status_byte)

    def write_request(value: object) -> None:
        instrument.request_enable = int(as_number(whole(0, 255)(value)))

    status.attribute("request_enable", lambda: instrument.request_enable, write_request)
    status.setting("node_enable", 0, whole(0, 255))
    status.constants(MSB=1, EAV=4, QSB=8, MAV=16, ESB=32, MSS=64, OSB=128)
    standard = status.child("standard")

    def write_enable(value: object) -> None:
        instrument.standard_enable = int(as_number(whole(0, 255)(value)))

    standard.attribute("event", instrument.take_standard_events)
    standard.attribute("condition", lambda: 0)
    standard.attribute("enable", lambda: instrument.standard_enable, write_enable)
    standard.constants(OPC=1, QYE=4, DDE=8, EXE=16, CME=32, URQ=64, PON=128)

    def reset() -> None:
        instrument.standard_enable = instrument.request_enable = 0

    status.function("reset", reset)
    return status
