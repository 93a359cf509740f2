"""The states of a simulated chip between two commands."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import numpy as np

from ..errors import ConfigurationError, RecordError
from .file_lock import hold
from .simulated import SimulatedArray, Wear


class HoldsArray(Protocol):
    """Anything that has a simulated array: a simulated crossbar, a tile of a twin."""

    @property
    def array(self) -> SimulatedArray:
        """The array."""
        ...


class ChipMemory:
    """The states and wear of a simulated chip between two commands, as a real chip keeps them."""

    def __init__(self, path: Path, key: str, tiles: tuple[HoldsArray, ...]) -> None:
        self._path, self._key, self._tiles = path, key, tiles

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the chip to this process: its states are recalled at the beginning and stored at the end.

        Raises:
            RecordError: another process has the chip, or the file cannot be locked or written.
            ConfigurationError: see `recall`.
        """
        self._check_directory()
        lock = self._path.with_name(f".{self._path.name}.lock")
        try:
            release = hold(lock)
        except OSError as error:
            raise RecordError(
                f"{self._path}: simulated.memory: {lock} cannot be locked ({error.strerror}); name a file on "
                "a disk of this computer, in a directory that can be written"
            ) from error
        if release is None:
            raise RecordError(
                f"{self._path}: simulated.memory: another mtjloop process has this chip (lock {lock}); wait "
                "for it to end, or name another file"
            )
        with ExitStack() as stack:
            stack.callback(release)
            self.recall()  # another process may have stored it since this one looked
            stack.callback(self.store)
            yield

    def recall(self) -> None:
        """Put the stored states back, if there are any.

        Raises:
            ConfigurationError: the file is damaged, belongs to another die, or its directory is absent.
        """
        self._check_directory()
        if not self._path.exists():
            return
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                if str(stored["key"]) != self._key:
                    raise ConfigurationError(
                        f"{self._path}: simulated.memory: this chip was stored for another die or seed; "
                        "name another file, or delete it to start from a new chip"
                    )
                for number, tile in enumerate(self._tiles):
                    pulses, reads = stored[f"events{number}"]
                    wear = Wear(stored[f"damage{number}"], stored[f"drift{number}"])
                    tile.array.restore(stored[f"state{number}"], int(pulses), int(reads), wear)
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise ConfigurationError(f"{self._path}: simulated.memory: no stored chip ({error})") from error

    def _check_directory(self) -> None:
        if not self._path.parent.is_dir():
            raise ConfigurationError(f"{self._path}: simulated.memory: no such directory; make it first")

    def store(self) -> None:
        """Store the states, all or nothing.

        Raises:
            RecordError: the file cannot be written.
        """
        content: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {"key": np.array(self._key)}
        for number, tile in enumerate(self._tiles):
            content[f"state{number}"] = tile.array.state
            wear = tile.array.wear
            content[f"damage{number}"], content[f"drift{number}"] = wear.damage, wear.log_rate
            content[f"events{number}"] = np.array([tile.array.pulses, tile.array.reads])
        try:
            draft = self._path.with_name(f".{self._path.name}.draft")  # the lock keeps others from it
            try:
                with draft.open("wb") as file:
                    np.savez(file, **content)  # type: ignore[arg-type]  # numpy types no array keywords
                draft.replace(self._path)
            finally:
                draft.unlink(missing_ok=True)  # there only if it could not be written or put in place
        except OSError as error:
            raise RecordError(
                f"{self._path}: the states of the simulated chip cannot be stored ({error}); free space, or "
                "name another file as simulated.memory"
            ) from error
