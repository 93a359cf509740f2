"""Layers spread over tiles: partial sums, weights against a reference column, and where blocks go."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.contract import Crossbar
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.data import Split, load_data, split_data
from mtjloop.protocols.inference import deploy
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.layer import CrossbarLayer
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.placement import TileLimit, place_layers, record_tiles
from mtjloop.protocols.training.preparation import write_references
from mtjloop.protocols.training.scores import evaluate
from mtjloop.protocols.training.settings import TrainingSettings
from mtjloop.protocols.training.weights import WeightKind, WeightLayout

from ..layers import weights_of

Ideal = Callable[..., Any]
READ = ReadSettings(0.1)
LIMITS = "limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}\n"
COUNTED = "[{rows: 4, columns: 5, count: 3}, {rows: 6, columns: 7}]"
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)


def layer_on(
    crossbars: list[Any], inputs: int, outputs: int, layout: WeightLayout, read: ReadSettings = READ
) -> CrossbarLayer:
    shapes = [one.capabilities.shape for one in crossbars]
    (places,) = place_layers(shapes, [(inputs, outputs)], layout)
    tiles = record_tiles(crossbars, len(crossbars), None)
    layer = CrossbarLayer(tiles, places, read, layout)
    rng = np.random.default_rng(0)
    for block in layer.blocks:
        found = calibrate(block.crossbar, READ, PULSE, 0.3, rng, SilentMonitor())
        write_references(block, found, READ, PULSE, SilentMonitor())
        block.calibrate(found, rng)
    return layer


@pytest.mark.parametrize("kind", ["pair", "reference"])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("encoding", ["analog", "bit-serial"])
def test_partial_sums_of_tiles_add_up(ideal: Ideal, kind: WeightKind, devices: int, encoding: Any) -> None:
    """Five inputs on tiles of 4 and 3 rows, five outputs over column blocks: the product with the weights."""
    crossbars = [ideal(4, 9), ideal(3, 9, seed=1), ideal(4, 8, seed=2), ideal(3, 8, seed=3), ideal(3, 20)]
    crossbars += [ideal(4, 9, seed=4), ideal(3, 8, seed=5)] if devices == 2 else []
    read = replace(READ, encoding=encoding, bits=14)
    layer = layer_on(crossbars, 5, 5, WeightLayout(kind, devices), read)
    assert len(layer.blocks) >= 2
    weights = weights_of(layer)
    allowed = {-1.0, 1.0} if kind == "reference" else {-1.0, 0.0, 1.0}
    assert set(np.unique(weights)) <= allowed | ({-0.5, 0.0, 0.5} if devices == 2 else set())
    rng = np.random.default_rng(1)
    x, d = rng.standard_normal((3, 5)), rng.standard_normal((2, 5))
    within = 1e-9 if encoding == "analog" else 2e-3
    assert layer.forward(x) == pytest.approx(x @ weights, abs=within)
    assert layer.forward(x[0]) == pytest.approx(x[0] @ weights, abs=within)
    assert layer.backward(d) == pytest.approx(d @ weights.T, abs=within)
    # States of the layer, written to one large tile, are the same weights.
    cells = layer.cells(layer.maps())
    assert (layer.layout.weights_of(cells) == weights).all()
    assert (layer.layout.weights_of(layer.layout.cells_of(np.sign(weights).astype(np.int8))))[
        weights != 0
    ] == pytest.approx(np.sign(weights)[weights != 0])


def test_blocks_take_the_fewest_tiles_and_equal_parts() -> None:
    pairs = WeightLayout()
    # 64-256-10 on tiles of 65 x 64: eight column blocks, then four row blocks.
    first, second = place_layers([(65, 64)] * 12, [(65, 256), (256, 10)], pairs)
    assert [(p.tile, p.inputs, p.outputs) for p in first] == [(k, 65, 32) for k in range(8)]
    assert [(p.first_input, p.inputs, p.outputs) for p in second] == [(64 * k, 64, 10) for k in range(4)]
    # One more row than a tile has: two halves, not a tile and a row.
    (halves,) = place_layers([(64, 64)] * 2, [(65, 32)], pairs)
    assert [p.inputs for p in halves] == [33, 32]
    # A limit cuts where the tile would not.
    (limited,) = place_layers([(64, 64)] * 4, [(64, 32)], pairs, TileLimit(32, 32))
    assert [(p.inputs, p.outputs) for p in limited] == [(32, 16)] * 4
    # Every cell of the layer lies on exactly one block.
    count = np.zeros((65, 256), dtype=int)
    for p in first:
        count[p.first_input : p.first_input + p.inputs, p.first_output : p.first_output + p.outputs] += 1
    assert (count == 1).all()
    with pytest.raises(ConfigurationError, match=r"would take 8 tiles of that size; .*count"):
        place_layers([(65, 64)] * 7, [(65, 256)], pairs)
    with pytest.raises(ConfigurationError, match="a tile with more columns"):
        place_layers([(65, 2)], [(65, 2)], WeightLayout("reference"))


def test_a_bench_says_how_many_tiles_it_has() -> None:
    text = f"name: t\nbackend: simulated\n{LIMITS}simulated: {{die: {{tiles: {COUNTED}}}}}\n"
    content = parse_yaml(text, "bench.yaml", BenchFile)
    assert content.simulated is not None
    shapes = [(tile.rows, tile.columns) for tile in content.simulated.die.tiles]
    assert shapes == [(4, 5)] * 3 + [(6, 7)]
    # What names a stored chip is the same as if the tiles were listed one by one.
    one = "{rows: 4, columns: 5}"
    listed = parse_yaml(
        text.replace("{rows: 4, columns: 5, count: 3}", f"{one}, {one}, {one}"), "b", BenchFile
    )
    assert listed.simulated is not None
    assert listed.simulated.die.model_dump() == content.simulated.die.model_dump()
    with pytest.raises(ConfigurationError, match=r"tiles\.0\.count"):
        parse_yaml(text.replace("count: 3", "count: 0"), "bench.yaml", BenchFile)


@pytest.fixture(scope="module")
def iris() -> Split:
    return split_data(load_data("iris"), 0.3, "per-feature", 0)


@pytest.mark.parametrize(("kind", "weights"), [("passive", "pair"), ("1T1R", "reference")])
def test_a_network_on_many_tiles_learns_and_moves_to_few(iris: Split, kind: str, weights: WeightKind) -> None:
    settings = TrainingSettings(hidden=(5,), epochs=18, weights=weights, audit_every=40)
    many = simulated([(3, 6)] * 9, kind)
    trainer = Trainer(many, iris, READ, PULSE, settings, 0, None, SilentMonitor())
    assert all(len(layer.blocks) > 1 for layer in trainer.network.layers)
    result = trainer.run()
    assert result.train.accuracy > 0.85
    assert result.failed_cells == 0
    assert [one.shape[0] for one in result.network.states] == [5, 5]
    few = record_tiles(simulated([(5, 10), (5, 6)], kind, seed=4), 2, None)
    network, failed = deploy(
        few, result.network, 4, (1.0, 1.5), None, READ, PULSE, True, np.random.default_rng(0), SilentMonitor()
    )
    assert failed == 0
    assert evaluate(network, iris.train_x, iris.train_y).accuracy > result.train.accuracy - 0.25
    with pytest.raises(ConfigurationError, match="was not in use"):
        deploy(
            few,
            result.network,
            4,
            (1.0, 1.5),
            {},
            READ,
            PULSE,
            True,
            np.random.default_rng(0),
            SilentMonitor(),
        )


def simulated(shapes: list[tuple[int, int]], kind: str, seed: int = 0) -> tuple[Crossbar, ...]:
    wanted = ", ".join(f"{{rows: {rows}, columns: {columns}}}" for rows, columns in shapes)
    text = f"name: t\nbackend: simulated\nsimulated: {{die: {{kind: {kind}, tiles: [{wanted}]}}}}\n{LIMITS}"
    content = parse_yaml(text, "bench.yaml", BenchFile)
    return open_bench(BenchDescription(Path("bench.yaml"), text, content), seed).crossbars
