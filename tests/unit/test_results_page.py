"""The tables of docs/results.md."""

from typing import Any

from benchmarks.result_sections import Condition, compared, under_conditions, wine_networks


def test_a_comparison_tells_failed_dies_and_the_paired_difference() -> None:
    row = {"mean": 0.9, "low": 0.8, "high": 1.0, "pulses": 10.0, "energy_J": 1e-6, "bench_time_s": 2.0}
    nothing = dict.fromkeys(row)
    raw: dict[str, Any] = {
        "rows": [
            {"method": "in-situ", "dies": 2, **row},
            {"method": "manhattan", "dies": 0, **nothing},
            {"method": "float", "dies": 2, **row},
        ],
        "failed": [{"method": "manhattan"}] * 2,
        "trials": [
            {"method": method, "seed": seed, "test_accuracy": value + 0.1 * seed}
            for method, value in (("in-situ", 0.8), ("float", 0.75))
            for seed in (0, 1)
        ],
    }
    page = compared("as good", raw)
    assert "| manhattan | - (- to -) | 0 (2 failed) | - | - | - |" in page
    assert "+5.0 points (+5.0 to +5.0, 2 dies)" in page


def test_ideal_arithmetic_is_that_of_the_networks_on_the_dies() -> None:
    raw: dict[str, Any] = {
        "samples": [100, 10],
        "dies": [0, 1],
        "networks": [3, 7],
        "ideal_train": [90, 100],
        "ideal_test": [8, 9],
        "on_dies": {"1 ohm": {"0": [[80, 90, 8, 0], [82, 92, 8, 0]], "1": [[80, 90, 8, 0], [82, 92, 8, 2]]}},
    }
    page = wine_networks(raw)
    assert "| ideal arithmetic | - | 95.0 % | 100.0 % | 100.0 % | 85.0 % | - |" in page
    assert "| 1 ohm a segment | nominal | 81.0 ± 0.0 % | 82.0 ± 0.0 % | 82.0 % | - | 0.5 |" in page


def test_conditions_are_set_against_the_base_on_the_same_dies() -> None:
    varied = {"wires": Condition("wires, ohm", "{:g}", 1.0), "biases": Condition("biases", "{}", "on")}
    cost = {"pulses": 10, "energy_J": 1e-6, "bench_time_s": 2.0}

    def row(die: int, accuracy: float | None, **swept: float) -> dict[str, Any]:
        return {"method": "in-situ", "die": die, "test_accuracy": accuracy, **cost, **swept}

    raw = {
        "base": [row(die, 0.9 + 0.01 * die) for die in range(3)],
        "wires": [row(0, 0.85, wires=5.0), row(1, 0.86, wires=5.0), row(2, None, wires=5.0)],
        "unbiased": [row(1, 0.9), row(2, 0.91)],
    }
    page = under_conditions("A goal.", varied, {"base": {}, "wires": {}, "unbiased": {"biases": "off"}}, raw)
    assert "| 1 | on | in-situ | 91.0 ± 2.5 % | - | 3 |" in page
    assert "| 5 | on | in-situ | 85.5 ± 6.4 % | -5.0 (-5.0 to -5.0) | 2 (1 failed) |" in page
    assert "| 1 | off | in-situ | 90.5 ± 6.4 % | -1.0 (-1.0 to -1.0) | 2 |" in page
