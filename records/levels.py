"""Line levels as compact blobs, and the amplitude and polarity by which pulses are counted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT64 = np.dtype(np.float64)
STORED = np.dtype("<f4")


def narrow(blobs: Sequence[bytes]) -> list[bytes]:
    """Native float64 blobs as little-endian float32 blobs, in one pass over all of them (NaN stays NaN)."""
    whole = np.frombuffer(b"".join(blobs), FLOAT64).astype(STORED).tobytes()
    narrowed = []
    start = 0
    for blob in blobs:
        stop = start + len(blob) // 2
        narrowed.append(whole[start:stop])
        start = stop
    return narrowed


def widen(blob: bytes) -> NDArray[np.float64]:
    """A stored blob as float64[lines]."""
    return np.frombuffer(blob, STORED).astype(np.float64)


def amplitudes(
    rows: Sequence[bytes], columns: Sequence[bytes], dtype: np.dtype[np.floating] = FLOAT64
) -> tuple[list[float], list[int]]:
    """The largest row-column difference each pulse asked for, over the lines that are driven.

    Args:
        rows: row levels of each pulse as blobs of `dtype`, none of them empty.
        columns: column levels likewise.
        dtype: of the blobs.

    Returns:
        Amplitude in volts, rounded to a millivolt so that continuous encodings count into few places, and
        polarity: +1 drives AP -> P (row above column), -1 P -> AP, 0 when nothing is driven.
    """
    if not rows:
        return [], []
    row_high, row_low = _extremes(rows, dtype)
    column_high, column_low = _extremes(columns, dtype)
    up = np.nan_to_num(row_high - column_low, nan=0.0)
    down = np.nan_to_num(column_high - row_low, nan=0.0)
    amplitude = np.round(np.maximum(np.maximum(up, down), 0.0), 3)
    polarity = np.where(amplitude == 0.0, 0, np.where(up >= down, 1, -1))
    return amplitude.tolist(), polarity.tolist()


def rounded_widths(widths: Sequence[float]) -> list[float]:
    """Widths in seconds to three significant digits, so that continuous encodings count into few places."""
    known = {width: float(f"{width:.3g}") for width in set(widths)}
    return [known[width] for width in widths]


def _extremes(
    blobs: Sequence[bytes], dtype: np.dtype[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    levels = np.frombuffer(b"".join(blobs), dtype).astype(np.float64)
    lengths = np.fromiter((len(blob) for blob in blobs), np.int64, len(blobs)) // dtype.itemsize
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    # fmax and fmin pass over the NaN of floating lines.
    return np.fmax.reduceat(levels, starts), np.fmin.reduceat(levels, starts)


def widen_native(blob: bytes) -> NDArray[np.float64]:
    """A blob in memory, not yet stored, as float64[lines]."""
    return np.frombuffer(blob, FLOAT64)
