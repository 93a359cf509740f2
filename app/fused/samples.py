"""Samples through a network in training, compiled: what `Trainer` does for one sample, in the same order."""

import math

from ...compiled import kernel
from ...drivers.compiled_crossbar import pulse_crossbar, read_crossbar
from ...drivers.contract import Floats
from ...drivers.guard import MADE
from ...protocols.selection import TO_P, select_levels
from ...protocols.training.block import scale_to
from ...protocols.training.coincidence import choose_cells, fire, fire_lines
from ...protocols.training.column_momentum import add_sample, draw_columns
from ...protocols.training.digital import activate, before_units, follow, move, scores_of, through_units
from ...protocols.training.gating import gate_lines
from ...protocols.training.network import judge_scores
from ...protocols.training.rule import drop, follow_directions, largest_of
from ...protocols.training.weights import add_scaled, gather_outputs, spread_errors
from .parts import COLUMNS, PER_SAMPLE, Block, Integers, Layer, Network

SIGNAL, VOLTAGE = -1, -2
"""End a sample with a signal to be read that is no number, or a select voltage that is none above 0."""


@kernel
def run_samples(
    network: Network, features: Floats, labels: Integers, order: Integers, fall: float, pulse: bool,
    log: bool,
) -> tuple[int, int, int]:  # fmt: skip
    """Show samples until all are done, an update of the next may be audited, or the log may not hold it.

    Args:
        network: changed.
        features: of all samples, (samples, features).
        labels: of all samples.
        order: which samples to show.
        fall: factor on all rates.
        pulse: whether pulses are sent.
        log: whether they are logged.

    Returns:
        Samples done, how many of them violated the margin, and how the last operation ended: if not `MADE`,
        the sample it belongs to was broken off.
    """
    violators = 0
    for k in range(order.size):
        if pulse and (_audit_may_come(network) or (log and not _log_holds(network))):
            return k, violators, MADE
        violated, ended = show(network, features[order[k]], labels[order[k]], fall, pulse, log)
        violators += violated
        if ended != MADE:
            return k, violators, ended
    return order.size, violators, MADE


@kernel
def _audit_may_come(network: Network) -> bool:
    for number in range(len(network.layers)):
        layer = network.layers[number]
        due = layer.trained and (layer.rule == PER_SAMPLE or (layer.count + 1) % layer.period == 0)
        if due and layer.audit_every > 0 and layer.since_audit + layer.strengths.size >= layer.audit_every:
            return True
    return False


@kernel
def _log_holds(network: Network) -> bool:
    most = network.logged
    for number in range(len(network.layers)):
        most += network.layers[number].most_pulses
    return bool(most <= network.log_where.shape[0])


@kernel
def show(
    network: Network, features: Floats, label: int, fall: float, pulse: bool, log: bool
) -> tuple[int, int]:
    """Show one sample; returns 1 if it violated the margin, and how its last operation ended."""
    layers = network.layers
    last = len(layers) - 1
    first = layers[0].signal[0]
    for k in range(features.size):
        first[k] = features[k]
    first[features.size :] = network.constant
    for number in range(len(layers)):
        layer = layers[number]
        ended = forward(network, layer, number)
        if ended != MADE:
            return 0, ended
        if number < last:
            following = layers[number + 1]
            activate(
                layer.pre, network.hidden_gain, layer.mean_square, layer.bias, layer.centre, layer.hidden,
                following.signal,
            )  # fmt: skip
    output = layers[last]
    scores_of(output.pre, network.output_gain, output.bias, output.hidden)
    if network.normalisers:
        for number in range(last):
            layer = layers[number]
            follow(layer.mean_square, layer.centre, layer.pre[0], layer.hidden[0])
    if judge_scores(output.hidden[0], label, output.error[0]) > network.margin:
        return 0, MADE
    for number in range(last, 0, -1):
        layer = layers[number]
        if number < last:
            before_units(layer.error[0], network.hidden_gain, layer.mean_square, layer.driven[0])
        else:
            layer.driven[:] = layer.error
        ended = backward(network, layer, layers[number - 1], number)
        if ended != MADE:
            return 1, ended
    if network.digital_rate > 0.0:
        learn_biases(network, network.digital_rate * fall)
    if pulse:
        for number in range(len(layers)):
            if layers[number].trained:
                ended = learn_weights(network, layers[number], number, network.rate * fall, log)
                if ended != MADE:
                    return 1, ended
    return 1, MADE


@kernel
def forward(network: Network, layer: Layer, number: int) -> int:
    """Read out what a layer makes of its signal; returns how the last read ended."""
    layer.pre[:] = 0.0
    for k in range(len(layer.blocks)):
        block = layer.blocks[k]
        ended = SIGNAL
        if scale_to(
            block.read_voltage, layer.signal, block.first_input, block.inputs, block.row_levels, block.sizes
        ):
            ended = read_crossbar(block.crossbar, block.row_levels, True, block.column_currents)
        if ended != MADE:
            network.failed_layer, network.failed_block = number, k
            return ended
        block.scales[0] = block.sizes[0] / block.forward_unit
        gather_outputs(
            block.column_currents, block.signs, block.each, block.devices, block.references, block.share,
            block.scales, block.first_output, layer.pre,
        )  # fmt: skip
    return MADE


@kernel
def backward(network: Network, layer: Layer, before: Layer, number: int) -> int:
    """Errors of the layer before, by transposed reads of this one; returns how the last read ended."""
    layer.under[:] = 0.0
    for k in range(len(layer.blocks)):
        block = layer.blocks[k]
        spread_errors(
            layer.driven, block.signs, block.each, block.references, block.share, block.first_output,
            block.columns,
        )  # fmt: skip
        ended = SIGNAL
        if scale_to(
            block.read_voltage, block.columns, 0, block.columns.shape[1], block.column_levels, block.sizes
        ):
            ended = read_crossbar(block.crossbar, block.column_levels, False, block.row_currents)
        if ended != MADE:
            network.failed_layer, network.failed_block = number, k
            return ended
        block.scales[0] = block.sizes[0] / block.backward_unit
        add_scaled(block.row_currents, block.scales, block.first_input, block.inputs, layer.under)
    through_units(layer.under[0], before.hidden[0], before.error[0])
    return MADE


@kernel
def learn_biases(network: Network, rate: float) -> None:
    """Move the digital biases along the errors."""
    last = len(network.layers) - 1
    for number in range(last + 1):
        layer = network.layers[number]
        move(layer.bias, layer.error[0], rate if number == last else 2.0 * rate)


@kernel
def learn_weights(network: Network, layer: Layer, number: int, rate: float, log: bool) -> int:
    """Let the rule of a layer see the sample, and send the updates due; returns how the last pulse ended."""
    signal, error = layer.signal[0], layer.error[0]
    layer.strengths[:] = 0.0
    if layer.rule == PER_SAMPLE:
        layer.factor_rows[0], layer.factor_columns[0] = signal, error
        drop(layer.factor_rows[0], layer.threshold)
        drop(layer.factor_columns[0], layer.threshold)
        layer.strengths[0] = rate
    else:
        layer.count += 1
        due = layer.count % layer.period == 0
        if layer.rule == COLUMNS:
            add_sample(layer.u, layer.v, signal, error)
            if due:
                draw_columns(
                    layer.u, layer.v, layer.memory, rate, layer.probability, layer.threshold, layer.power,
                    layer.rule_key, layer.count, layer.factor_rows, layer.factor_columns, layer.strengths,
                )  # fmt: skip
        else:
            follow_directions(
                layer.u, layer.v, layer.sum_u, layer.sum_v, signal, error, layer.memory, layer.threshold, due,
                layer.factor_rows, layer.factor_columns, layer.strengths,
            )  # fmt: skip
            layer.strengths *= rate * layer.period / layer.first_period
    for k in range(layer.strengths.size):
        if layer.strengths[k] > 0.0:
            ended = update(network, layer, number, k, layer.strengths[k], log)
            if ended != MADE:
                return ended
    return MADE


@kernel
def update(network: Network, layer: Layer, number: int, which: int, strength: float, log: bool) -> int:
    """Send the pulses of one factor; returns how the last one ended."""
    rows, columns = layer.factor_rows[which], layer.factor_columns[which]
    peak = strength * largest_of(rows) * largest_of(columns)
    if not peak > 0.0:
        return MADE
    if layer.gating != 0.0:
        strength = gate_lines(
            rows, columns, strength, layer.gating, layer.probability, layer.key, layer.stream + 2,
            layer.number, layer.some_rows, layer.some_columns,
        )  # fmt: skip
        rows, columns = layer.some_rows, layer.some_columns
    share = fire_lines(
        rows, columns, strength, layer.slots, layer.probability, layer.rare_columns, layer.row_chances,
        layer.column_chances,
    )  # fmt: skip
    if not share > 0.0:  # all lines happen to be left out; the update counts all the same
        layer.row_chances[:] = 0.0
        layer.column_chances[:] = 0.0
    layer.number += 1
    layer.updates += 1
    layer.clipped += 1 if share > 1.0 else 0
    layer.peaks += min(1.0, peak)
    layer.since_audit += 1
    for _ in range(layer.slots):
        fire(layer.row_chances, layer.key, layer.stream, layer.slot, layer.row_fires)
        fire(layer.column_chances, layer.key, layer.stream + 1, layer.slot, layer.column_fires)
        layer.slot += 1
        for k in range(len(layer.blocks)):
            ended = send(network, layer, number, k, rows, columns, log)
            if ended != MADE:
                network.failed_layer, network.failed_block = number, k
                return ended
    return MADE


@kernel
def send(
    network: Network, layer: Layer, number: int, which: int, rows: Floats, columns: Floats, log: bool
) -> int:
    """Send the pulses of one slot on one block; returns how the last one ended."""
    block = layer.blocks[which]
    first, end = block.first_input, block.first_input + block.inputs
    start, stop = block.first_output, block.first_output + block.outputs
    count = choose_cells(
        rows[first:end], columns[start:stop], layer.row_fires[first:end], layer.column_fires[start:stop],
        block.signs, block.row_flags, block.column_flags, block.polarities,
    )  # fmt: skip
    for k in range(count):
        polarity = block.polarities[k]
        amplitude = block.to_p if polarity == TO_P else block.to_ap
        if not (math.isfinite(amplitude) and amplitude > 0.0):
            return VOLTAGE
        select_levels(
            block.row_flags[k], block.column_flags[k], polarity, amplitude, block.width, block.scheme,
            block.gated, block.row_levels[0], block.column_levels[0], block.widths,
        )  # fmt: skip
        if not block.gated:
            block.widths[:] = block.width
        ended = pulse_crossbar(
            block.crossbar, block.row_levels[0], block.column_levels[0], block.widths, block.width
        )
        layer.pulses += 1
        if log:
            _log(network, block, number, which, ended)
        if ended != MADE:
            return ended
    # Lines beyond the block are read at 0 V.
    block.row_levels[:] = 0.0
    block.column_levels[:] = 0.0
    return MADE


@kernel
def _log(network: Network, block: Block, number: int, which: int, ended: int) -> None:
    place, crossbar = network.logged, block.crossbar
    network.log_where[place, 0], network.log_where[place, 1] = number, which
    network.log_where[place, 2] = ended
    network.log_levels[place, 0, : crossbar.row_levels.size] = block.row_levels[0]
    network.log_levels[place, 1, : crossbar.column_levels.size] = block.column_levels[0]
    network.log_widths[place, : block.widths.size] = block.widths
    network.log_values[place, 0], network.log_values[place, 1] = crossbar.last_energy, crossbar.last_peak
    network.logged += 1
