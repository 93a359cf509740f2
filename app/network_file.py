"""A trained network on disk: states, digital parts, calibration of the cells, scaling of the data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import RecordError
from ..protocols.calibration import Calibration
from ..protocols.data import Labels, Scaler, Split
from ..protocols.mapping import CellLevels
from ..protocols.switching_curve import SwitchingCurve
from ..protocols.training.block import KnownTile
from ..protocols.training.digital import Digital, HiddenDigital
from ..protocols.training.layer import CrossbarLayer
from ..protocols.training.loop import TrainedNetwork
from ..protocols.training.placement import TileLimit
from ..protocols.training.weights import WeightKind

NETWORK_FILE = "network.npz"
_FORMAT = 3
_WITHOUT_CONSTANT = 2
"""The format before, whose constants are all 1."""
_save_arrays = cast(Callable[..., None], np.savez_compressed)
"""numpy types its keywords as options only."""


@dataclass(frozen=True)
class StoredNetwork:
    """A network as stored.

    Attributes:
        network: states and digital parts.
        tiles: what is known of each tile, by its number.
        limit: most rows and columns of a tile that a layer used.
        scaler: of the features.
        classes: names.
        gains: g1 and g2.
        test_indices: samples of the data that were held back.
        data_fingerprint: of the data set they belong to.
    """

    network: TrainedNetwork
    tiles: dict[int, KnownTile]
    limit: TileLimit
    scaler: Scaler
    classes: tuple[str, ...]
    gains: tuple[float, float]
    test_indices: Labels
    data_fingerprint: str


def save_network(
    directory: Path,
    network: TrainedNetwork,
    layers: tuple[CrossbarLayer, ...],
    split: Split,
    gains: tuple[float, float],
    limit: TileLimit | None = None,
) -> Path:
    """Write `network.npz` into a run directory.

    Args:
        directory: of the run.
        network: states and digital parts.
        layers: with the calibration of their tiles.
        split: whose scaling and test part belong to the network.
        gains: g1 and g2.
        limit: most rows and columns of a tile that a layer used; None for all.

    Raises:
        RecordError: the file cannot be written.
    """
    content: dict[str, NDArray[np.generic]] = {
        "format": np.array(_FORMAT),
        "mean": split.scaler.mean,
        "deviation": split.scaler.deviation,
        "classes": np.array(split.classes),
        "test_indices": split.test_indices,
        "data_fingerprint": np.array(split.fingerprint),
        "gains": np.array(gains),
        "devices": np.array(network.devices),
        "weights": np.array(network.weights),
        "constant": np.array(network.constant),
        "limit": np.array([one or 0 for one in _limits(limit)]),
        "output_bias": network.digital.output_bias,
    }
    for k, state in enumerate(network.states):
        content[f"state{k}"] = state
    for block in (one for layer in layers for one in layer.blocks):
        k, found = block.crossbar.tile, block.calibration
        content[f"parallel{k}"] = found.levels.parallel
        content[f"antiparallel{k}"] = found.levels.antiparallel
        content[f"stuck{k}"] = found.levels.stuck
        content[f"curves{k}"] = np.array(
            [[curve.intercept, curve.slope, curve.trials] for curve in (found.to_p, found.to_ap)]
        )
        content[f"scales{k}"] = np.array([found.strong, *block.current_steps])
    for k, part in enumerate(network.digital.hidden):
        content[f"hidden{k}"] = np.stack([part.mean_square, part.bias, part.centre])
    path = directory / NETWORK_FILE
    try:
        _save_arrays(path, **content)
    except OSError as error:
        raise RecordError(
            f"{path}: the trained network cannot be written ({error}); free space and retry"
        ) from error
    return path


def load_network(directory: Path) -> StoredNetwork:
    """Read `network.npz` of a run directory.

    Raises:
        RecordError: absent or damaged.
    """
    path = directory / NETWORK_FILE
    try:
        with np.load(path, allow_pickle=False) as stored:
            content = dict(stored)
        if int(content["format"]) not in (_FORMAT, _WITHOUT_CONSTANT):
            raise RecordError(
                f"{path}: format {int(content['format'])}, of another version of mtjloop; this one reads "
                f"{_FORMAT}; train again"
            )
        count = len(_numbers(content, "state"))
        tiles = {k: _tile(content, k) for k in _numbers(content, "parallel")}
        hidden = tuple(HiddenDigital(*content[f"hidden{k}"]) for k in range(count - 1))
        digital = Digital(hidden, content["output_bias"])
        states = tuple(content[f"state{k}"].astype(np.int8) for k in range(count))
        first, second = (float(one) for one in content["gains"])
        devices, constant = int(content["devices"]), float(content.get("constant", np.array(1.0)))
        rows, columns = (int(one) or None for one in content["limit"])
        weights: WeightKind = "reference" if str(content["weights"]) == "reference" else "pair"
    except FileNotFoundError:
        raise RecordError(f"{path}: no trained network there; give a run of `mtjloop train`") from None
    except (OSError, KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise RecordError(f"{path}: the trained network is damaged ({error}); train again") from error
    return StoredNetwork(
        TrainedNetwork(states, digital, devices, weights, constant),
        tiles,
        TileLimit(rows, columns),
        Scaler(content["mean"], content["deviation"]),
        tuple(str(one) for one in content["classes"]),
        (first, second),
        np.asarray(content["test_indices"], dtype=np.int64),
        str(content["data_fingerprint"]),
    )


def _numbers(content: dict[str, NDArray[np.generic]], name: str) -> list[int]:
    """Numbers that follow a name among the keys."""
    return sorted(int(key[len(name) :]) for key in content if key.startswith(name))


def _limits(limit: TileLimit | None) -> tuple[int | None, int | None]:
    return (None, None) if limit is None else (limit.rows, limit.columns)


def _tile(content: dict[str, NDArray[np.generic]], k: int) -> KnownTile:
    levels = CellLevels(
        np.asarray(content[f"parallel{k}"], dtype=np.float64),
        np.asarray(content[f"antiparallel{k}"], dtype=np.float64),
        np.asarray(content[f"stuck{k}"], dtype=np.int8),
    )
    to_p, to_ap = (
        SwitchingCurve(float(a), float(b), int(n))
        for a, b, n in np.asarray(content[f"curves{k}"], dtype=float)
    )
    strong, forward, backward = (float(one) for one in np.asarray(content[f"scales{k}"], dtype=float))
    return KnownTile(Calibration(levels, to_p, to_ap, strong), (forward, backward))
