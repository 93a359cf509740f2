"""Runs that tests write: how they are begun, and a pulse of them."""

from pathlib import Path
from typing import Any

import numpy as np

from mtjloop.records.run import RunRecorder

NOTHING_MORE: dict[str, Any] = {"energy": None, "elapsed": 1e-3, "compliance": None, "peak_current": None}


def new_run(root: Path, **changes: Any) -> RunRecorder:
    given: dict[str, Any] = {"command": "train", "name": "wine", "backend": "simulated", "hardware": False}
    return RunRecorder.create(root, **(given | changes))


def send(recorder: RunRecorder, epoch: int | None = 0, purpose: str = "train", volts: float = 0.5) -> int:
    return recorder.begin_pulse(0, purpose, epoch, np.array([volts, 0.0]), np.array([0.0]), 50e-9, 1)
