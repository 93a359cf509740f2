"""Every fault of a link, over every link: no wrong reply is taken for a right one, what is said is true."""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from mtjloop.errors import InstrumentError, LinkDirty, LinkError, LinkLost, LinkTimeout, ReplyError
from mtjloop.instruments import Keithley2600B, open_link
from mtjloop.instruments.base_link import BaseLink
from mtjloop.instruments.link import LinkState
from mtjloop.sim.twin.faults import FaultName
from mtjloop.sim.twin.server import Protocol, Served, serve

from .conftest import keithley_bench

LINKS = ["socket", "hislip", "vxi11", "serial", "pyserial"]
POSIX_ONLY = ("serial", "pyserial")
PATIENT, TIMEOUT = 30.0, 0.4
"""Wait for a reply that comes, on a busy machine too; and for one that does not, s."""


def links() -> list[str]:
    return [one for one in LINKS if one not in POSIX_ONLY or hasattr(os, "openpty")]


@contextmanager
def opened(link: str) -> Iterator[tuple[Served, BaseLink]]:
    """A served 2600B and an open link to it, PyVISA or pyserial."""
    protocol: Protocol = "serial" if link == "pyserial" else link  # type: ignore[assignment]
    with ExitStack() as stack:
        served = stack.enter_context(serve(keithley_bench(), protocol=protocol))
        address = served.addresses["smu"]
        where = address.device if link == "pyserial" and address.device else address.resource
        made = open_link(where, Keithley2600B.IDENTITY, manager="@py", timeout=PATIENT)
        assert isinstance(made, BaseLink)
        stack.callback(made.close)
        yield served, made


def usable_again(served: Served, link: BaseLink) -> None:
    """After the fault: cleared or reopened, the link gives the right answer to the right question."""
    link._timeout = PATIENT
    served.endpoints["smu"].disarm()
    if link.state is LinkState.DIRTY:
        try:
            link.clear()
        except LinkError:
            link.reopen()
    if link.state is not LinkState.READY:
        link.reopen()
    assert link.query("print('after')") == "after"


@pytest.mark.parametrize("link", links())
@pytest.mark.parametrize("fault", ["drop", "late-reply", "truncated-line", "delay"])
def test_a_reply_that_does_not_come_in_time(link: str, fault: FaultName) -> None:
    with opened(link) as (served, made):
        served.endpoints["smu"].arm(fault, duration=1.5 * TIMEOUT)
        made._timeout = TIMEOUT
        with pytest.raises(LinkTimeout):
            made.query("print('first')")
        with pytest.raises(LinkDirty):
            made.query("print('second')")
        usable_again(served, made)


@pytest.mark.parametrize("link", links())
def test_garbage_never_reads_as_a_number(link: str) -> None:
    with opened(link) as (served, made), Keithley2600B(made) as smu:
        served.endpoints["smu"].arm("garbage")
        made._timeout = TIMEOUT
        with pytest.raises((ReplyError, LinkTimeout)):
            smu.output_on("a")
        made._timeout = PATIENT
        served.endpoints["smu"].disarm()
        smu.recover()
        assert not smu.output_on("a")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyvisa-py leaks a socket
@pytest.mark.parametrize("link", [one for one in links() if one not in POSIX_ONLY])
def test_death_is_a_lost_link_and_off_is_unknown(link: str) -> None:
    with opened(link) as (served, made):
        smu = Keithley2600B(made)
        served.endpoints["smu"].arm("process-death")
        made._timeout = TIMEOUT
        with pytest.raises(LinkLost):
            smu.output_on("a")
        left = smu.make_safe()
        assert not left.proven
        assert "UNKNOWN" in left.detail
    gc.collect()


@pytest.mark.parametrize("link", [one for one in links() if one in POSIX_ONLY])
def test_death_on_a_serial_line_is_silence_or_loss_and_off_is_unknown(link: str) -> None:
    with opened(link) as (served, made):
        smu = Keithley2600B(made)
        served.endpoints["smu"].arm("process-death")
        made._timeout = TIMEOUT
        with pytest.raises((LinkLost, LinkTimeout)):
            smu.output_on("a")
        assert not smu.make_safe().proven


@pytest.mark.parametrize("link", links())
def test_a_full_error_queue_is_reported_and_emptied(link: str) -> None:
    with opened(link) as (served, made), Keithley2600B(made) as smu:
        served.endpoints["smu"].arm("error-queue-overflow")
        with pytest.raises(InstrumentError):
            smu.set_output("a", False)
        assert smu.drain_errors() == ()
        smu.set_output("a", False)


@pytest.mark.parametrize("link", links())
@pytest.mark.parametrize("fault", ["drop", "late-reply", "truncated-line", "garbage"])
def test_off_is_proven_only_by_a_clean_read_back(link: str, fault: FaultName) -> None:
    """The fault hits the read back of a safe-off: it is read again on a clean link, or UNKNOWN is said."""
    with opened(link) as (served, made):
        smu = Keithley2600B(made)
        served.bench.emulators["smu"].receive(b"smub.source.levelv = 0.1 smub.source.output = 1")
        served.endpoints["smu"].arm(fault, skip=len(smu._off_commands()))
        made._timeout = 2.0
        left = smu.make_safe()
        on = served.bench.emulators["smu"].receive(b"print(smub.source.output)").startswith(b"1")
        assert not on
        assert left.proven or "UNKNOWN" in left.detail
