"""The one writer of a run directory."""

import io
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import RecordError
from . import schema
from .environment import environment
from .event_file import EventFile
from .index import claim, new_run_id
from .manifest import (
    COMPLETED,
    INTERRUPTED,
    Configuration,
    Manifest,
    plain,
    write_manifest,
)
from .pulse_log import PulseLog
from .trials import kind_code

Detail = Literal["full", "tally"]
Level = Literal["info", "warning", "error"]


class RunRecorder(PulseLog):
    """Records one run, from the thread that made it; use it as a context manager.

    In durable mode (real hardware) a pulse is on the disk, proof against power loss, before `begin_pulse`
    returns. Otherwise rows are collected and committed in batches. Leaving the context by an exception
    keeps what was recorded and writes the reason into the manifest.
    """

    def __init__(self, directory: Path, manifest: Manifest, events: EventFile, durable: bool):
        super().__init__(directory, events, durable=durable, tally=manifest.detail == "tally")
        self._manifest = manifest

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        command: str,
        name: str,
        backend: str,
        hardware: bool,
        seed: int | None = None,
        configurations: Mapping[str, Configuration] | None = None,
        operator: str | None = None,
        die_id: str | None = None,
        temperature: float | None = None,
        identities: tuple[str, ...] = (),
        wiring_hash: str | None = None,
        run_id: str | None = None,
        detail: Detail = "full",
        durable: bool = False,
    ) -> Self:
        """Make a new run directory below `root` and open it for writing.

        Args:
            root: directory of the runs, made if absent.
            command: what is run, for instance `train`.
            name: short name of the experiment.
            backend: kind of crossbar, for instance `simulated`.
            hardware: True when real hardware is driven.
            seed: of all random numbers.
            configurations: role of a file -> what it said.
            operator: who runs it.
            die_id: which die is in the socket.
            temperature: kelvin.
            identities: `*IDN?` answers, none for the simulator.
            wiring_hash: of the verified wiring.
            run_id: directory name; None makes one from time, command, name and chance.
            detail: `full` keeps one row a pulse, `tally` counts them.
            durable: commit every pulse to the disk before it is sent.

        Raises:
            RecordError: the run exists already, or its directory cannot be written.
        """
        if detail not in ("full", "tally"):
            raise RecordError(f"detail is {detail!r}; give `full` or `tally`.")
        now = datetime.now(UTC)
        surroundings = environment()
        chosen = run_id or new_run_id(command, name, now)
        directory = claim(root, chosen)
        manifest = Manifest(
            run_id=chosen,
            command=command,
            name=name,
            started_utc=now,
            backend=backend,
            hardware=hardware,
            seed=seed,
            detail=detail,
            configurations=dict(configurations or {}),
            versions=surroundings.versions,
            git_commit=surroundings.commit,
            git_dirty=surroundings.dirty,
            operator=operator,
            die_id=die_id,
            temperature=temperature,
            identities=tuple(identities),
            wiring_hash=wiring_hash,
        )
        try:
            write_manifest(directory, manifest)
        except RecordError:
            with suppress(OSError):
                directory.rmdir()  # a run that never began
            raise
        return cls(directory, manifest, EventFile(directory / schema.EVENTS_FILE, durable), durable)

    @property
    def manifest(self) -> Manifest:
        """The manifest as last written."""
        return self._manifest

    def record_map(
        self,
        tile: int,
        label: str,
        epoch: int | None,
        resistance: NDArray[np.float64],
        state: NDArray[np.int8],
    ) -> None:
        """Record a resistance map.

        Args:
            tile: which crossbar tile.
            label: for instance `before` or `after`.
            epoch: of the training, None outside one.
            resistance: float64[rows, columns] in ohms, NaN = unreadable.
            state: int8[rows, columns]: 1 = P, 0 = AP, -1 = unreadable.

        Raises:
            RecordError: shapes differ or are not two-dimensional, or the record cannot be written.
        """
        if resistance.ndim != 2 or resistance.shape != state.shape:
            raise RecordError(
                f"map {label!r} of tile {tile}: resistance has shape {resistance.shape}, state "
                f"{state.shape}; give both as [rows, columns]."
            )
        rows, columns = resistance.shape
        blobs = resistance.astype("<f8").tobytes(), state.astype(np.int8).tobytes()
        self._add(
            schema.INSERT_MAP,
            (time.time(), int(tile), label, _integer(epoch), int(rows), int(columns), *blobs),
        )
        self.flush()

    def record_switching(
        self, tile: int, layer: int, epoch: int, polarity: int, requested: float, cells: int, switched: int
    ) -> None:
        """Record how many of the cells asked to switch with one probability did.

        Args:
            tile: which crossbar tile.
            layer: of the network.
            epoch: of the training.
            polarity: +1 AP -> P, -1 P -> AP.
            requested: mean requested probability of the bin.
            cells: cells in the bin.
            switched: how many of them switched.

        Raises:
            RecordError: the counts contradict each other, or the run is finished.
        """
        if not 0 <= switched <= cells:
            raise RecordError(
                f"tile {tile}, epoch {epoch}: {switched} of {cells} cells switched; count them again."
            )
        numbers = (
            int(tile),
            int(layer),
            int(epoch),
            int(polarity),
            float(requested),
            int(cells),
            int(switched),
        )
        self._add(schema.INSERT_SWITCHING, numbers)

    def record_trials(
        self,
        tile: int,
        polarity: int,
        block: int,
        pulse: int | None,
        *,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        kinds: Sequence[str],
        voltages: NDArray[np.float64],
        applied_voltages: NDArray[np.float64],
        width: float,
        applied_width: float,
        repeat: int,
        resistances_before: NDArray[np.float64],
        resistances_after: NDArray[np.float64],
        states_before: NDArray[np.int8],
        states_after: NDArray[np.int8],
        outcomes: NDArray[np.int8],
    ) -> None:
        """Record the switching trials of one pulse, one entry a device; it is committed with the next pulses.

        Args:
            tile: which crossbar tile.
            polarity: +1 AP -> P, -1 P -> AP.
            block: number of the block of randomised trials.
            pulse: number of the pulse, None if no single pulse made them.
            rows: of the devices.
            columns: of the devices.
            kinds: trial, reference, control, disturb or audit.
            voltages: asked across each device, magnitude, V.
            applied_voltages: that each junction is believed to have seen, V.
            width: asked, s.
            applied_width: s.
            repeat: pulses of one trial.
            resistances_before: ohm; infinite where no current was seen.
            resistances_after: ohm.
            states_before: 1 P, 0 AP, -1 unreadable.
            states_after: the same.
            outcomes: 0 switched, 1 stayed, 2 reset failed, 3 unreadable.

        Raises:
            RecordError: an unknown kind or outcome, entries that do not match, or the run is finished.
        """
        if self._closed:
            raise self._finished_already()
        if len(outcomes) and not (outcomes.min() >= 0 and outcomes.max() <= 3):
            raise RecordError(f"outcomes of trials are {outcomes}; give numbers 0 to 3.")
        points = [
            (int(tile), row, column, int(polarity), kind_code(kind), voltage, float(width), int(repeat))
            for row, column, kind, voltage in zip(
                rows.tolist(), columns.tolist(), kinds, voltages.tolist(), strict=True
            )
        ]
        try:
            self._batch.trials.add(
                time.time(),
                _integer(pulse),
                int(block),
                points,
                applied_voltages.tolist(),
                float(applied_width),
                resistances_before.tolist(),
                resistances_after.tolist(),
                states_before.tolist(),
                states_after.tolist(),
                outcomes.tolist(),
            )
        except ValueError as error:
            raise RecordError(f"trials of tile {tile}: {error}; give one entry a device.") from error

    def record_metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Record named numbers of one epoch; readers of the running file see them at once.

        Raises:
            RecordError: the record cannot be written.
        """
        now = time.time()
        for name, value in values.items():
            self._add(schema.INSERT_METRIC, (now, int(epoch), name, float(value)))
        self.flush()

    def record_array(self, name: str, values: NDArray[np.generic]) -> None:
        """Keep an array of numbers or text under a name; a second one of that name replaces it.

        Raises:
            RecordError: an array of Python objects, or the record cannot be written.
        """
        stream = io.BytesIO()
        try:
            np.save(stream, values, allow_pickle=False)
        except ValueError as error:
            raise RecordError(f"array {name!r}: {error}. Give an array of numbers or text.") from error
        self._add(schema.INSERT_ARRAY, (name, stream.getvalue()))
        self.flush()

    def message(self, level: Level, text: str) -> None:
        """Record a remark for people.

        Raises:
            RecordError: the record cannot be written.
        """
        self._add(schema.INSERT_MESSAGE, (time.time(), level, text))
        self.flush()

    def finish(self, stop_reason: str, result: Mapping[str, object]) -> None:
        """Commit everything, write stop reason and result into the manifest, and close.

        Args:
            stop_reason: `completed`, `interrupted` or `failed: <why>`.
            result: JSON-like; numpy numbers and arrays are converted.

        Raises:
            RecordError: another stop reason, a result that YAML cannot hold, or the run cannot be written.
        """
        if stop_reason not in (COMPLETED, INTERRUPTED) and not stop_reason.startswith("failed: "):
            raise RecordError(
                f"stop reason {stop_reason!r} is unknown; give `completed`, `interrupted` or `failed: <why>`."
            )
        kept = plain(result)
        ended = replace(
            self._manifest,
            finished_utc=datetime.now(UTC),
            stop_reason=stop_reason,
            result=kept if isinstance(kept, dict) else {},
        )
        try:
            self.flush()
        except RecordError as error:
            if not self._closed and self._events.mine:
                self._close(finished=False)
                failed = (
                    stop_reason if stop_reason.startswith("failed: ") else f"failed: RecordError: {error}"
                )
                # The manifest is small: it may still fit where the events did not.
                with suppress(RecordError):
                    write_manifest(self._directory, replace(ended, stop_reason=failed))
            raise
        self._close(finished=True)
        write_manifest(self._directory, ended)
        self._manifest = ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A forked child leaves the run to its parent.
        if self._closed or not self._events.mine:
            return
        if error is None:
            self.finish(COMPLETED, {})
            return
        stopped = INTERRUPTED if isinstance(error, KeyboardInterrupt) else f"failed: {_described(error)}"
        try:
            self.finish(stopped, {})
        except RecordError as second:
            error.add_note(str(second))


def _described(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _integer(value: int | None) -> int | None:
    return None if value is None else int(value)
