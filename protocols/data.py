"""Data sets: those that scikit-learn ships, or a user's CSV or NPZ; scaled on their training part only."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..drivers.contract import Floats
from ..errors import DataError

Labels = NDArray[np.int64]
Scaling = Literal["per-feature", "global"]
BUILT_IN = ("wine", "breast-cancer", "digits", "iris")


@dataclass(frozen=True)
class DataSet:
    """Samples and their classes.

    Attributes:
        name: for people.
        features: (samples, features).
        labels: (samples,), 0 .. classes - 1.
        classes: name of each class.
    """

    name: str
    features: Floats
    labels: Labels
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Scaler:
    """x -> clip((x - mean) / (2 sd), -1, 1), the drive range of a line.

    Attributes:
        mean: (features,).
        deviation: (features,), > 0.
    """

    mean: Floats
    deviation: Floats

    def __call__(self, features: Floats) -> Floats:
        """Scaled features, within [-1, 1]."""
        return np.clip((features - self.mean) / (2.0 * self.deviation), -1.0, 1.0)


@dataclass(frozen=True)
class Split:
    """A data set split into a training and a test part, both scaled by the training part.

    `test_indices` are the samples of the test part, `fingerprint` tells the data set.
    """

    name: str
    classes: tuple[str, ...]
    train_x: Floats
    train_y: Labels
    test_x: Floats
    test_y: Labels
    scaler: Scaler
    test_indices: Labels
    fingerprint: str


@dataclass(frozen=True)
class Part:
    """Some samples, scaled, and their classes: (samples, features) and (samples,)."""

    features: Floats
    labels: Labels


def split_validation(split: Split, fraction: float, seed: int) -> tuple[Split, Part | None]:
    """Take a validation part, stratified by class, out of the training part; the scaling stays.

    Args:
        split: of a data set.
        fraction: of the training part; 0 holds nothing back.
        seed: chooses the samples.

    Returns:
        The split with what is left to train on, and the validation part, None for a fraction of 0.

    Raises:
        DataError: too few samples of a class for that.
    """
    if fraction <= 0.0:
        return split, None
    try:
        kept, held = _stratified(split.train_y, fraction, seed)
    except ValueError as error:
        raise DataError(
            f"data {split.name}: no validation part of {fraction:.0%} can be taken ({error})"
        ) from None
    part = Part(split.train_x[held], split.train_y[held])
    return replace(split, train_x=split.train_x[kept], train_y=split.train_y[kept]), part


def within_training(split: Split, fraction: float, seed: int) -> Split:
    """The training part alone, split again: its validation part stands as the test part.

    The test part of `split` is in none of it, so whatever is tuned here has not seen it.

    Args:
        split: of a data set.
        fraction: of the training part, in (0, 1).
        seed: chooses the samples.

    Raises:
        DataError: too few samples of a class for that.
    """
    kept, part = split_validation(split, fraction, seed)
    if part is None:
        raise DataError(f"a validation part of {fraction:g} of the training part; (0, 1) is accepted")
    return replace(kept, test_x=part.features, test_y=part.labels)


def load_data(source: str | Path, label: str | None = None) -> DataSet:
    """Load a built-in data set by name, or a user's `.csv` or `.npz` file.

    Args:
        source: one of `BUILT_IN`, or a path. A CSV needs a header line; an NPZ needs arrays `X` and `y`.
        label: column of a CSV that holds the class; the last one by default.

    Raises:
        DataError: unknown name, absent or malformed file; names the line and column.
    """
    if str(source) in BUILT_IN:
        return _built_in(str(source))
    path = Path(source)
    if path.suffix.lower() not in (".csv", ".npz"):
        raise DataError(
            f"data {str(source)!r} is neither a built-in set ({', '.join(BUILT_IN)}) nor a .csv or .npz file"
        )
    try:
        return _from_csv(path, label) if path.suffix.lower() == ".csv" else _from_npz(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such data file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def split_data(data: DataSet, test_fraction: float, scaling: Scaling, seed: int) -> Split:
    """Split, stratified by class, and scale by the training part.

    Args:
        data: to be split.
        test_fraction: in (0, 1).
        scaling: standard deviation of each feature, or one for all (images).
        seed: of the split.

    Raises:
        DataError: too few samples of a class.
    """
    train, test = split_indices(data, test_fraction, seed)
    scaler = fit_scaler(data.features[train], scaling)
    return Split(
        data.name,
        data.classes,
        scaler(data.features[train]),
        data.labels[train],
        scaler(data.features[test]),
        data.labels[test],
        scaler,
        test,
        fingerprint(data),
    )


def fingerprint(data: DataSet) -> str:
    """A hash of all samples and labels, to tell later whether data are still the same."""
    content = hashlib.sha256(np.ascontiguousarray(data.features).tobytes())
    content.update(np.ascontiguousarray(data.labels).tobytes())
    return content.hexdigest()


def split_indices(data: DataSet, test_fraction: float, seed: int) -> tuple[Labels, Labels]:
    """Indices of the training and of the test part, stratified by class.

    Raises:
        DataError: too few samples of a class.
    """
    try:
        return _stratified(data.labels, test_fraction, seed)
    except ValueError as error:
        raise DataError(
            f"data {data.name}: cannot be split with test_fraction {test_fraction:g}: {error}"
        ) from None


def _stratified(labels: Labels, fraction: float, seed: int) -> tuple[Labels, Labels]:
    """Indices of all samples but a share, and of that share, stratified by class; ValueError if too few."""
    from sklearn.model_selection import train_test_split  # slow to import

    kept, held = train_test_split(
        np.arange(len(labels)), test_size=fraction, random_state=seed % 2**32, stratify=labels
    )
    return kept, held


def fit_scaler(features: Floats, scaling: Scaling) -> Scaler:
    """Mean and deviation of these samples; a constant feature gets deviation 1."""
    mean = features.mean(axis=0)
    deviation = features.std(axis=0) if scaling == "per-feature" else np.full(mean.shape, features.std())
    return Scaler(mean, np.where(deviation > 1e-12, deviation, 1.0))


def _built_in(name: str) -> DataSet:
    from sklearn import datasets  # slow to import

    loader = {
        "wine": datasets.load_wine,
        "breast-cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
        "iris": datasets.load_iris,
    }[name]
    bunch = loader()
    return DataSet(
        name,
        np.asarray(bunch.data, dtype=np.float64),
        np.asarray(bunch.target, dtype=np.int64),
        tuple(str(one) for one in bunch.target_names),
    )


def _from_csv(path: Path, label: str | None) -> DataSet:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        rows = [(reader.line_num, row) for row in reader if row]
    if len(rows) < 3:
        raise DataError(f"{path}: {len(rows)} lines; a header line and at least 2 samples are needed")
    header = [one.strip() for one in rows[0][1]]
    if label is not None and label not in header:
        raise DataError(f"{path}: no column {label!r}; columns are {', '.join(header)}")
    at = len(header) - 1 if label is None else header.index(label)
    values, names = [], []
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(f"{path}: line {number} has {len(row)} columns, the header {len(header)}")
        names.append(row[at].strip())
        values.append([_number(path, number, header, k, one) for k, one in enumerate(row) if k != at])
    return _labelled(path, np.array(values, dtype=np.float64), names)


def _number(path: Path, line: int, header: Sequence[str], column: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{path}: line {line}, column {header[column]!r}: found {text!r}; a number is accepted"
        ) from None


def _from_npz(path: Path) -> DataSet:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "X" not in stored or "y" not in stored:
                raise DataError(f"{path}: has arrays {', '.join(stored) or 'none'}; X and y are needed")
            features, labels = np.asarray(stored["X"]), np.asarray(stored["y"])
    except (ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"{path}: no NPZ file of plain arrays ({error})") from None
    if features.ndim < 2 or labels.shape != features.shape[:1]:
        raise DataError(
            f"{path}: X has shape {features.shape} and y {labels.shape}; (samples, features) and (samples,) "
            "are accepted"
        )
    flat = features.reshape(len(features), -1).astype(np.float64)
    return _labelled(path, flat, [str(one) for one in labels])


def _labelled(path: Path, features: Floats, names: Sequence[str]) -> DataSet:
    if not np.isfinite(features).all():
        sample = int(np.argwhere(~np.isfinite(features))[0][0])
        raise DataError(f"{path}: sample {sample} holds a value that is not finite")
    classes = sorted(set(names), key=_natural)
    if len(classes) < 2:
        raise DataError(f"{path}: only one class, {classes[0]!r}; at least two are needed")
    labels = np.array([classes.index(one) for one in names], dtype=np.int64)
    return DataSet(path.name, features, labels, tuple(classes))


def _natural(name: str) -> tuple[int, float, str]:
    """Sort key: numbers by value first, then text."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
