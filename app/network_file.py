"""A trained network on disk: states, digital parts, calibration of the cells, scaling of the data."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import RecordError
from ..protocols.calibration import Calibration
from ..protocols.data import Labels, Scaler, Split
from ..protocols.inference import KnownLayer
from ..protocols.mapping import CellLevels
from ..protocols.switching_curve import SwitchingCurve
from ..protocols.training.digital import Digital, HiddenDigital
from ..protocols.training.layer import PairLayer
from ..protocols.training.loop import TrainedNetwork

NETWORK_FILE = "network.npz"
_FORMAT = 1


@dataclass(frozen=True)
class StoredNetwork:
    """A network as stored.

    Attributes:
        network: states and digital parts.
        layers: calibration of each layer's crossbar.
        scaler: of the features.
        classes: names.
        gains: g1 and g2.
        test_indices: samples of the data that were held back.
        data_fingerprint: of the data set they belong to.
    """

    network: TrainedNetwork
    layers: tuple[KnownLayer, ...]
    scaler: Scaler
    classes: tuple[str, ...]
    gains: tuple[float, float]
    test_indices: Labels
    data_fingerprint: str


def save_network(
    directory: Path,
    network: TrainedNetwork,
    layers: tuple[PairLayer, ...],
    split: Split,
    gains: tuple[float, float],
) -> Path:
    """Write `network.npz` into a run directory.

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
        "output_bias": network.digital.output_bias,
    }
    for k, (state, layer) in enumerate(zip(network.states, layers, strict=True)):
        found = layer.calibration
        content[f"state{k}"] = state
        content[f"parallel{k}"] = found.levels.parallel
        content[f"antiparallel{k}"] = found.levels.antiparallel
        content[f"stuck{k}"] = found.levels.stuck
        content[f"curves{k}"] = np.array(
            [[curve.intercept, curve.slope, curve.trials] for curve in (found.to_p, found.to_ap)]
        )
        content[f"scales{k}"] = np.array([found.strong, *layer.current_steps])
    for k, part in enumerate(network.digital.hidden):
        content[f"hidden{k}"] = np.stack([part.mean_square, part.bias, part.centre])
    path = directory / NETWORK_FILE
    try:
        np.savez_compressed(path, **content)  # type: ignore[arg-type]  # numpy types no array keywords
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
        count = sum(key.startswith("state") for key in content)
        layers = tuple(_layer(content, k) for k in range(count))
        hidden = tuple(HiddenDigital(*content[f"hidden{k}"]) for k in range(count - 1))
        digital = Digital(hidden, content["output_bias"])
        states = tuple(content[f"state{k}"].astype(np.int8) for k in range(count))
        first, second = (float(one) for one in content["gains"])
        devices = int(content["devices"])
    except FileNotFoundError:
        raise RecordError(f"{path}: no trained network there; give a run of `mtjloop train`") from None
    except (OSError, KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise RecordError(f"{path}: the trained network is damaged ({error}); train again") from error
    return StoredNetwork(
        TrainedNetwork(states, digital, devices),
        layers,
        Scaler(content["mean"], content["deviation"]),
        tuple(str(one) for one in content["classes"]),
        (first, second),
        np.asarray(content["test_indices"], dtype=np.int64),
        str(content["data_fingerprint"]),
    )


def _layer(content: dict[str, NDArray[np.generic]], k: int) -> KnownLayer:
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
    return KnownLayer(Calibration(levels, to_p, to_ap, strong), (forward, backward))
