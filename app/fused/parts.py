"""What the compiled loop works on: a network in training, as records that kernels take by reference."""

from dataclasses import dataclass

import numpy as np
from numba.typed import List

from ...compiled import by_reference, kernel
from ...draws import Word
from ...drivers.compiled_crossbar import CompiledCrossbar
from ...drivers.contract import Floats
from ...protocols.selection import Flags

Integers = np.ndarray

PER_SAMPLE, RANK_ONE, COLUMNS = 0, 1, 2
"""Update rules."""


@by_reference
@dataclass
class Block:
    """A block of weights on one tile; see `protocols.training.block.Block`.

    Attributes:
        crossbar: of the tile.
        first_input: place within the layer.
        inputs: rows used.
        first_output: place within the layer.
        outputs: of the block.
        signs: of its cell columns.
        each: cell columns of an output.
        devices: cells on each side of a weight.
        references: reference columns.
        share: with what a reference column counts.
        forward_unit: current of weight 1 at full read voltage, A.
        backward_unit: the same of a transposed read, over the cells of a side.
        read_voltage: V.
        to_p: select voltage of AP -> P, V.
        to_ap: select voltage of P -> AP, V.
        scheme: place of the bias of unselected lines in `SCHEMES`.
        width: s.
        gated: whether each row has a gate.
        row_levels: scratch (1, rows), V.
        column_levels: scratch (1, columns), V.
        row_currents: scratch (1, rows), A.
        column_currents: scratch (1, columns), A.
        columns: scratch (1, used columns): signals of a transposed read.
        sizes: scratch (1,).
        scales: scratch (1,).
        widths: scratch (rows,), s.
        row_flags: scratch (4, inputs).
        column_flags: scratch (4, cell columns).
        polarities: scratch (4,).
    """

    crossbar: CompiledCrossbar
    first_input: int
    inputs: int
    first_output: int
    outputs: int
    signs: Floats
    each: int
    devices: int
    references: int
    share: float
    forward_unit: float
    backward_unit: float
    read_voltage: float
    to_p: float
    to_ap: float
    scheme: int
    width: float
    gated: bool
    row_levels: Floats
    column_levels: Floats
    row_currents: Floats
    column_currents: Floats
    columns: Floats
    sizes: Floats
    scales: Floats
    widths: Floats
    row_flags: Flags
    column_flags: Flags
    polarities: Integers


@kernel
def new_block(
    crossbar: CompiledCrossbar, first_input: int, inputs: int, first_output: int, outputs: int, signs: Floats,
    each: int, devices: int, references: int, share: float, forward_unit: float, backward_unit: float,
    read_voltage: float, scheme: int, width: float, gated: bool,
) -> Block:  # fmt: skip
    """A block; arguments as the attributes of `Block`. Its select voltages are set later."""
    rows, columns = crossbar.array.state.shape
    return Block(
        crossbar, first_input, inputs, first_output, outputs, signs, each, devices, references, share,
        forward_unit, backward_unit, read_voltage, 0.0, 0.0, scheme, width, gated,
        np.zeros((1, rows)), np.zeros((1, columns)), np.zeros((1, rows)), np.zeros((1, columns)),
        np.zeros((1, signs.size + references)), np.zeros(1), np.zeros(1), np.zeros(rows),
        np.zeros((4, inputs), np.bool_), np.zeros((4, signs.size), np.bool_), np.zeros(4, np.int64),
    )  # fmt: skip


@kernel
def set_voltages(block: Block, to_p: float, to_ap: float) -> None:
    """Set the select voltages, V."""
    block.to_p, block.to_ap = to_p, to_ap


@by_reference
@dataclass
class Layer:
    """A layer with its digital part, rule and updater.

    Attributes:
        blocks: in the order in which their partial sums are added.
        signal: what it reads, (1, inputs).
        pre: what it reads out, (1, outputs).
        hidden: activations, (1, outputs).
        error: wanted direction of its outputs, (1, outputs).
        mean_square: of a hidden layer, (outputs,).
        bias: digital, (outputs,).
        centre: of a hidden layer, (outputs,).
        rule: `PER_SAMPLE`, `RANK_ONE` or `COLUMNS` momentum.
        u: directions over the inputs, (rank, inputs).
        v: directions over the outputs, or what they carry to them, (rank, outputs).
        sum_u: moving sums of rank-1 momentum, (rank, inputs).
        sum_v: the same, (rank, outputs).
        rule_key: of the draws of the rule.
        count: samples the rule has seen.
        period: of the rule.
        first_period: at which the rate is that of the settings.
        memory: of the rule.
        threshold: of the rule.
        power: of column momentum.
        factor_rows: scratch (factors of an update, inputs).
        factor_columns: scratch (factors, outputs).
        strengths: scratch (factors,); 0 for a factor that asks for nothing.
        most_pulses: of one sample.
        key: of the controller's draws.
        stream: first of the streams of this layer.
        slots: of an update.
        probability: p0.
        rare_columns: whether columns alone fire more rarely the less is wanted.
        slot: number of the next slot.
        updates: of this epoch.
        clipped: of these.
        pulses: of this epoch.
        audit_every: updates between two audits; 0 for none.
        since_audit: updates since the last one.
        trained: whether it has a rule and an updater.
        gating: share of the lines that takes part in an update; 0 for all.
        number: of the next update.
        peaks: of this epoch, summed.
        some_rows: scratch (inputs,).
        some_columns: scratch (outputs,).
        driven: scratch (1, outputs): what a transposed read is driven with.
        under: scratch (1, inputs): what it reads.
        row_chances: scratch (inputs,).
        column_chances: scratch (outputs,).
        row_fires: scratch (inputs,).
        column_fires: scratch (outputs,).
    """

    blocks: list[Block]
    signal: Floats
    pre: Floats
    hidden: Floats
    error: Floats
    mean_square: Floats
    bias: Floats
    centre: Floats
    rule: int
    u: Floats
    v: Floats
    sum_u: Floats
    sum_v: Floats
    rule_key: Word
    count: int
    period: int
    first_period: int
    memory: float
    threshold: float
    power: float
    factor_rows: Floats
    factor_columns: Floats
    strengths: Floats
    most_pulses: int
    key: Word
    stream: int
    slots: int
    probability: float
    rare_columns: bool
    slot: int
    updates: int
    clipped: int
    pulses: int
    audit_every: int
    since_audit: int
    trained: bool
    gating: float
    number: int
    peaks: float
    some_rows: Floats
    some_columns: Floats
    driven: Floats
    under: Floats
    row_chances: Floats
    column_chances: Floats
    row_fires: Flags
    column_fires: Flags


@kernel
def new_layer(
    first: Block, inputs: int, outputs: int, rule: int, u: Floats, v: Floats, sum_u: Floats, sum_v: Floats,
    rule_key: Word, threshold: float, power: float, factors: int, most_pulses: int, key: Word, stream: int,
    slots: int, probability: float, rare_columns: bool, gating: float, audit_every: int, trained: bool,
) -> Layer:  # fmt: skip
    """A layer with its first block; arguments as the attributes of `Layer`."""
    blocks = List()
    blocks.append(first)
    return Layer(
        blocks, np.zeros((1, inputs)), np.zeros((1, outputs)), np.zeros((1, outputs)), np.zeros((1, outputs)),
        np.ones(outputs), np.zeros(outputs), np.zeros(outputs), rule, u, v, sum_u, sum_v, rule_key, 0, 1, 1,
        0.0, threshold, power, np.zeros((factors, inputs)), np.zeros((factors, outputs)), np.zeros(factors),
        most_pulses, key, stream, slots, probability, rare_columns, 0, 0, 0, 0, audit_every, 0, trained,
        gating, 0, 0.0, np.zeros(inputs), np.zeros(outputs), np.zeros((1, outputs)), np.zeros((1, inputs)),
        np.zeros(inputs), np.zeros(outputs), np.zeros(inputs, np.bool_), np.zeros(outputs, np.bool_),
    )  # fmt: skip


@kernel
def add_block(layer: Layer, block: Block) -> None:
    """Add a block to a layer."""
    layer.blocks.append(block)


@kernel
def set_digital(layer: Layer, mean_square: Floats, bias: Floats, centre: Floats) -> None:
    """Take up the digital part of a layer, (outputs,) each."""
    layer.mean_square[:] = mean_square
    layer.bias[:] = bias
    layer.centre[:] = centre


@kernel
def digital_of(layer: Layer) -> tuple[Floats, Floats, Floats]:
    """Copies of mean square, bias and centre of a layer."""
    return layer.mean_square.copy(), layer.bias.copy(), layer.centre.copy()


@kernel
def set_rule(layer: Layer, count: int, period: int, first_period: int, memory: float) -> None:
    """Take up where the rule of a layer stands."""
    layer.count, layer.period, layer.first_period, layer.memory = count, period, first_period, memory


@kernel
def seen_by(layer: Layer) -> int:
    """Samples that the rule of a layer has seen."""
    return int(layer.count)


@kernel
def set_counts(
    layer: Layer, slot: int, number: int, updates: int, clipped: int, pulses: int, peaks: float,
    since_audit: int,
) -> None:  # fmt: skip
    """Take up where the updater of a layer stands."""
    layer.slot, layer.number, layer.since_audit = slot, number, since_audit
    layer.updates, layer.clipped, layer.pulses, layer.peaks = updates, clipped, pulses, peaks


@kernel
def counts_of(layer: Layer) -> tuple[int, int, int, int, int, float, int]:
    """The same, as `set_counts` takes it."""
    return (
        layer.slot, layer.number, layer.updates, layer.clipped, layer.pulses, layer.peaks, layer.since_audit
    )  # fmt: skip


@by_reference
@dataclass
class Network:
    """Layers in training, and the log of the pulses they were given.

    Attributes:
        layers: in order.
        hidden_gain: g1.
        output_gain: g2 over the root of the inputs of the last layer.
        constant: what inputs of the first layer beyond the features carry.
        margin: see `TrainingSettings`.
        digital_rate: see `TrainingSettings`; 0 without digital biases.
        normalisers: whether running statistics follow.
        rate: see `TrainingSettings`.
        logged: pulses in the log.
        log_where: number of layer and block of each, and how it ended, (pulses, 3).
        log_levels: levels of rows and columns of each, (pulses, 2, lines), V.
        log_widths: of the rows of each, (pulses, lines), s.
        log_values: energy in J and largest current in A of each, (pulses, 2).
        failed_layer: where an operation ended otherwise than made.
        failed_block: the same.
    """

    layers: list[Layer]
    hidden_gain: float
    output_gain: float
    constant: float
    margin: float
    digital_rate: float
    normalisers: bool
    rate: float
    logged: int
    log_where: Integers
    log_levels: Floats
    log_widths: Floats
    log_values: Floats
    failed_layer: int
    failed_block: int


@kernel
def new_network(
    first: Layer, hidden_gain: float, output_gain: float, constant: float, margin: float,
    digital_rate: float, normalisers: bool, rate: float, pulses: int, lines: int,
) -> Network:  # fmt: skip
    """A network with its first layer, and room in the log for some pulses of so many lines a side."""
    layers = List()
    layers.append(first)
    return Network(
        layers, hidden_gain, output_gain, constant, margin, digital_rate, normalisers, rate, 0,
        np.zeros((pulses, 3), np.int64), np.zeros((pulses, 2, lines)), np.zeros((pulses, lines)),
        np.zeros((pulses, 2)), 0, 0,
    )  # fmt: skip


@kernel
def add_layer(network: Network, layer: Layer) -> None:
    """Add a layer to a network."""
    network.layers.append(layer)


@kernel
def take_log(network: Network) -> tuple[int, Integers, Floats, Floats, Floats]:
    """Number of pulses in the log, and the log; the log starts anew."""
    logged, network.logged = network.logged, 0
    return logged, network.log_where, network.log_levels, network.log_widths, network.log_values


@kernel
def failure_of(network: Network) -> tuple[int, int]:
    """Layer and block whose operation ended otherwise than made."""
    return network.failed_layer, network.failed_block
