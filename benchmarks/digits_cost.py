"""What 97 % on digits costs on the default board: `python -m benchmarks.digits_cost --dies 5`.

Each die is trained with a fifth of the training data held back; costs count up to the first epoch
after which 97 % of that part are right, setting up included, by purpose. The test part plays no role.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from mtjloop.records.reader import RunReader

ROOT = Path(__file__).parents[1]
RAW = Path(__file__).parent / "results" / "digits_cost.json"
REACHED = 0.97


def cost(run: Path) -> dict[str, Any]:
    """Epoch at which the accuracy was reached (None if never), and pulses, reads, s and J by purpose."""
    with RunReader(run) as found:
        epochs, accuracies = found.metrics()["validation_accuracy"]
        reached = epochs[accuracies >= REACHED]
        epoch = int(reached[0]) if reached.size else None
        spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        if epoch is not None:
            for pulses in found.pulse_totals():
                if pulses.epoch is None or pulses.epoch <= epoch:
                    spent[pulses.purpose]["pulses"] += pulses.repeats
                    spent[pulses.purpose]["pulse_s"] += pulses.elapsed
                    spent[pulses.purpose]["pulse_J"] += pulses.energy or 0.0
            for reads in found.read_totals():
                if reads.epoch is None or reads.epoch <= epoch:
                    spent[reads.purpose]["reads"] += reads.count
                    spent[reads.purpose]["read_s"] += reads.elapsed
                    spent[reads.purpose]["read_J"] += reads.energy or 0.0
    return {"epoch": epoch, "spent": spent}


def train(seed: int, runs: Path) -> Path:
    """Train one die; returns its run."""
    made = subprocess.run(
        [
            sys.executable, "-m", "mtjloop", "train", "examples/digits/bench.yaml",
            "benchmarks/studies/digits-validated.yaml", "--seed", str(seed), "--runs", str(runs), "--json",
        ],
        check=True, cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    return Path(json.loads(made.stdout)["run_dir"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dies", type=int, default=5)
    found = []
    with tempfile.TemporaryDirectory() as place:
        for seed in range(parser.parse_args().dies):
            found.append(cost(train(seed, Path(place))))
            print(json.dumps(found[-1]), flush=True)
    RAW.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
