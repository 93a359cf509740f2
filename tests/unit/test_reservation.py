"""A bench belongs to one process at a time."""

import subprocess
import sys
import uuid

import pytest

from mtjloop.drivers.reservation import lock_file, reserve
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
    lock_file(resource.lower()).unlink()


def test_a_refusal_gives_back_what_was_taken(resource: str) -> None:
    first, second = f"a{resource}", f"b{resource}"
    with reserve([second]):
        with pytest.raises(LinkError):
            reserve([first, second])
        reserve([first]).close()
    for one in (first, second):
        lock_file(one.lower()).unlink()
