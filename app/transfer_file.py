"""The file of a network trained elsewhere: NPZ with W0, b0, W1, b1, ..., activation and gain."""

import re
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..drivers.contract import Floats
from ..errors import ConfigurationError
from ..protocols.journal import States
from ..protocols.transfer import ACTIVATIONS, Activation, ForeignNetwork

_Content = dict[str, NDArray[np.generic]]
_KEYS = "W0, W1, ... (weights), b0, b1, ... (digital biases), activation, gain, offset, scale"


def read_foreign_network(path: Path) -> ForeignNetwork:
    """Read and check a network file.

    Keys: `W0`, `W1`, ... of shape (inputs, outputs) in {-1, 0, 1}; `b0`, `b1`, ... of shape (outputs,), 0
    where absent; `activation`, needed between layers; `gain`, one number, one a layer, or the word
    `calibrate` (taken where absent); `offset` and `scale` of the features, 0 and 1 where absent.

    Raises:
        ConfigurationError: absent or unreadable file, unknown key, wrong shape or value; names the key, what
            was found and what is accepted.
    """
    content = _load(path)
    count = _layer_count(path, content)
    weights = tuple(_weights(path, content, number) for number in range(count))
    for number in range(1, count):
        before, now = weights[number - 1].shape[1], weights[number].shape[0]
        if before != now:
            raise ConfigurationError(
                f"{path}: W{number} has {now} inputs (rows); W{number - 1} has {before} outputs (columns); "
                "they must be equal: weights are stored (inputs, outputs)"
            )
    features = weights[0].shape[0]
    return ForeignNetwork(
        weights,
        tuple(_vector(path, content, f"b{k}", weights[k].shape[1], 0.0) for k in range(count)),
        _activation(path, content, count),
        _gains(path, content, count),
        _vector(path, content, "offset", features, 0.0),
        _scale(path, content, features),
    )


def _load(path: Path) -> _Content:
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise ConfigurationError(f"{path}: a single array; an .npz file with {_KEYS} is accepted")
        with stored:
            return dict(stored)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such network file") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ConfigurationError(f"{path}: no NPZ file of plain arrays ({error})") from None


def _layer_count(path: Path, content: _Content) -> int:
    count = 0
    while f"W{count}" in content:
        count += 1
    if count == 0:
        raise ConfigurationError(
            f"{path}: W0 is missing; found {', '.join(sorted(content)) or 'no arrays'}; accepted are {_KEYS}"
        )
    known = {"activation", "gain", "offset", "scale"} | {f"{one}{k}" for one in "Wb" for k in range(count)}
    for key in sorted(set(content) - known):
        if re.fullmatch(r"W\d+", key):
            raise ConfigurationError(f"{path}: {key} is there and W{count} is not; number layers from W0 on")
        if re.fullmatch(r"b\d+", key):
            raise ConfigurationError(f"{path}: {key} belongs to no layer; the last one is W{count - 1}")
        raise ConfigurationError(f"{path}: unknown key {key}; accepted are {_KEYS}")
    return count


def _weights(path: Path, content: _Content, number: int) -> States:
    values = _numbers(path, content, f"W{number}")
    if values.ndim != 2 or 0 in values.shape:
        raise ConfigurationError(f"{path}: W{number} has shape {values.shape}; (inputs, outputs) is accepted")
    wrong = np.argwhere(~np.isin(values, (-1.0, 0.0, 1.0)))
    if len(wrong):
        row, column = (int(one) for one in wrong[0])
        raise ConfigurationError(
            f"{path}: W{number}[{row}, {column}] is {values[row, column]:g}; weights of -1, 0 and 1 are "
            f"accepted ({len(wrong)} of {values.size} are others): round them first"
        )
    return values.astype(np.int8)


def _activation(path: Path, content: _Content, count: int) -> Activation:
    if "activation" not in content:
        if count == 1:
            return "identity"
        raise ConfigurationError(f"{path}: activation is missing; accepted are {', '.join(ACTIVATIONS)}")
    found = str(content["activation"])
    for name in ACTIVATIONS:
        if found == name:
            return name
    raise ConfigurationError(f"{path}: activation: found {found!r}; accepted are {', '.join(ACTIVATIONS)}")


def _gains(path: Path, content: _Content, count: int) -> tuple[float, ...] | None:
    stored = content.get("gain")
    if stored is None or (stored.dtype.kind == "U" and str(stored) == "calibrate"):
        return None
    accepted = f"one number > 0, {count} of them (one a layer), or 'calibrate'"
    if stored.dtype.kind not in "iuf":
        raise ConfigurationError(f"{path}: gain: found {str(stored)!r}; accepted is {accepted}")
    values = stored.astype(np.float64).reshape(-1)
    if len(values) not in (1, count) or not (np.isfinite(values) & (values > 0.0)).all():
        raise ConfigurationError(f"{path}: gain: found {values.tolist()}; accepted is {accepted}")
    return tuple(values.tolist()) if len(values) == count else (float(values[0]),) * count


def _scale(path: Path, content: _Content, features: int) -> Floats:
    scale = _vector(path, content, "scale", features, 1.0)
    if not (scale > 0.0).all():
        raise ConfigurationError(f"{path}: scale: the smallest is {scale.min():g}; numbers > 0 are accepted")
    return scale


def _vector(path: Path, content: _Content, key: str, size: int, absent: float) -> Floats:
    """A vector of `size` numbers; one number stands for all of them."""
    if key not in content:
        return np.full(size, absent)
    values = _numbers(path, content, key)
    if values.shape not in ((), (1,), (size,)):
        raise ConfigurationError(f"{path}: {key} has shape {values.shape}; ({size},) is accepted")
    return np.full(size, values) if values.shape == () else np.broadcast_to(values, (size,)).copy()


def _numbers(path: Path, content: _Content, key: str) -> Floats:
    stored = content[key]
    if stored.dtype.kind not in "biuf":
        raise ConfigurationError(f"{path}: {key} holds {stored.dtype}; numbers are accepted")
    values = stored.astype(np.float64)
    if not np.isfinite(values).all():
        raise ConfigurationError(f"{path}: {key} holds a value that is not finite")
    return values
