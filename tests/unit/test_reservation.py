"""A bench belongs to one process at a time."""

import subprocess
import sys
import uuid

import pytest

from mtjloop.drivers.reservation import canonical, lock_file, reserve
from mtjloop.errors import LinkError

HOLD = """
import sys
from mtjloop.drivers.reservation import reserve
held = reserve([sys.argv[1]])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def resource() -> str:
    return f"TCPIP0::{uuid.uuid4()}::5025::SOCKET"


def test_another_process_is_refused_until_the_first_is_killed(resource: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, resource], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(LinkError, match="in use by another mtjloop process"):
            reserve(["TCPIP0::other::INSTR", resource.lower()])
        holder.kill()
    reserve([resource]).close()
    lock_file(canonical(resource)).unlink()


def test_a_refusal_gives_back_what_was_taken(resource: str) -> None:
    first, second = resource, resource.replace("5025", "5026")
    with reserve([second]):
        with pytest.raises(LinkError):
            reserve([first, second])
        reserve([first]).close()
    for one in (first, second):
        lock_file(canonical(one)).unlink()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TCPIP::10.0.0.1::5025::SOCKET", "tcpip0::10.0.0.1::5025::socket"),
        ("TCPIP::smu.lab", "TCPIP0::SMU.lab::inst0::INSTR"),
        ("GPIB::24", "GPIB0::24::INSTR"),
        ("ASRL/dev/ttyUSB0::INSTR", "/dev/ttyUSB0"),
        ("ASRL3::INSTR", "COM3"),
    ],
)
def test_an_instrument_is_the_same_however_its_address_is_spelled(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)
    assert canonical("TCPIP::10.0.0.1::5026::SOCKET") != canonical("TCPIP::10.0.0.1::5025::SOCKET")


def test_a_lock_that_cannot_be_had_is_not_called_another_process(resource: str) -> None:
    path = lock_file(canonical(resource))
    path.mkdir()
    try:
        with pytest.raises(LinkError, match="cannot be locked") as told:
            reserve([resource])
        assert "in use" not in str(told.value)
    finally:
        path.rmdir()
