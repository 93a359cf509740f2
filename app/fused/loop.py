"""The compiled loop behind the door that training offers, `protocols.training.loop.SampleLoop`."""

import numpy as np
from numpy.typing import NDArray

from ...drivers.checks import on_grid
from ...drivers.compiled_crossbar import CompiledCrossbar, last_peak_of, spent_on, start_counting
from ...drivers.contract import Floats, Pulse
from ...drivers.guard import MADE, Guard
from ...errors import FaultError, MtjloopError, ProtocolError
from ...protocols import bit_serial, selection
from ...protocols.recorded import RecordedCrossbar
from ...protocols.training import block, layer, update
from ...protocols.training.column_momentum import ColumnMomentum
from ...protocols.training.controller_draws import Draws
from ...protocols.training.digital import Digital, HiddenDigital
from ...protocols.training.loop import LoopParts, SampleLoop
from ...protocols.training.rule import PerSample, RankOneMomentum, Rule
from . import parts, samples

_LOGGED = 4_096
"""Pulses whose record may wait."""


def compiled_loop(training: LoopParts) -> SampleLoop | None:
    """A compiled loop for a training, or None where it needs the loop in Python.

    It takes analog reads of simulated crossbars and the `coincidence` encoding. Audits and everything else
    that is rare stay with the loop in Python, which takes over for the sample in which they fall due.
    """
    crossbars: dict[int, CompiledCrossbar] = {}
    for one in training.network.layers:
        for part in one.blocks:
            guard = part.crossbar.crossbar
            if bit_serial.is_bit_serial(part.read, part.crossbar.capabilities):
                return None
            made = guard.compiled() if isinstance(guard, Guard) else None
            if made is None:
                return None
            crossbars[part.crossbar.tile] = made
    if training.settings.encoding.kind != "coincidence":
        return None
    if any(one.feedback is not None for updater in training.updaters for one in updater.blocks):
        return None
    if not all(isinstance(one, RankOneMomentum | ColumnMomentum | PerSample) for one in training.rules):
        return None
    return CompiledLoop(training, crossbars)


class CompiledLoop:
    """Shows samples of one training; what it changes is the state of that very training.

    Args:
        training: at its start or in its course.
        crossbars: by number of the tile.
    """

    def __init__(self, training: LoopParts, crossbars: dict[int, CompiledCrossbar]) -> None:
        self._training, self._crossbars = training, crossbars
        self._features = np.ascontiguousarray(training.split.train_x, dtype=np.float64)
        self._labels = np.ascontiguousarray(training.split.train_y, dtype=np.int64)
        self._blocks = [[self._block(part) for part in one.blocks] for one in training.network.layers]
        self._layers = [self._layer(number, one) for number, one in enumerate(training.network.layers)]
        network, settings = training.network, training.settings
        lines = max(max(part.crossbar.capabilities.shape) for one in network.layers for part in one.blocks)
        self._network = parts.new_network(
            self._layers[0], network.hidden_gain, network.output_gain, network.constant, settings.margin,
            settings.digital_rate if settings.digital_biases else 0.0, settings.normalisers, settings.rate,
            self._room(), lines,
        )  # fmt: skip
        for one in self._layers[1:]:
            parts.add_layer(self._network, one)

    def run(self, order: NDArray[np.int64], fall: float, pulse: bool) -> tuple[int, int]:
        """Show samples until one needs the loop in Python; see `SampleLoop.run`."""
        self._take_up()
        tiles = self._tiles()
        for one in tiles:
            if isinstance(one.crossbar, Guard):
                one.crossbar.admit()
            start_counting(self._crossbars[one.tile], one.totals.energy, one.totals.elapsed)
        journal = any(one.journal is not None for one in tiles)
        done, violators, ended = samples.run_samples(
            self._network, self._features, self._labels, order, fall, pulse, journal
        )
        self._give_back()
        for one in tiles:
            self._book(one)
        error = None if ended == MADE else self._error(ended)
        self._record(error)
        if error is not None:
            raise error
        return done, violators

    def _room(self) -> int:
        """Pulses the log must hold: at least those of one sample."""
        training = self._training
        trained = zip(training.rules, training.updaters, training.network.layers, strict=False)
        return max(_LOGGED, sum(_most_pulses(*one) for one in trained))

    def _tiles(self) -> list[RecordedCrossbar]:
        return [part.crossbar for one in self._training.network.layers for part in one.blocks]

    def _block(self, part: block.Block) -> parts.Block:
        place, layout, pulse = part.place, part.layout, self._training.pulse
        forward, backward = part.current_steps
        voltage = part.read.voltage
        width = float(on_grid(np.asarray(pulse.width), part.crossbar.capabilities.width_resolution))
        return parts.new_block(
            self._crossbars[part.crossbar.tile], place.first_input, place.inputs, place.first_output,
            place.outputs, part.cell_signs, layout.each, layout.devices, layout.references,
            layout.reference_share, forward * voltage, layout.devices * backward * voltage, voltage,
            selection.SCHEMES.index(pulse.unselected), width, part.gated,
        )  # fmt: skip

    def _layer(self, number: int, one: layer.CrossbarLayer) -> parts.Layer:
        training, settings = self._training, self._training.settings
        rows, columns = np.zeros((1, one.inputs)), np.zeros((1, one.outputs))
        kind, vectors, key = parts.PER_SAMPLE, (rows, columns, rows, columns), np.uint64(0)
        threshold, power, factors, most = 0.0, 1.0, 1, 0
        draws, slots = Draws(np.uint64(0), 0), 1
        trained = number < len(training.updaters)
        if trained:
            rule, updater = training.rules[number], training.updaters[number]
            draws, slots = updater.draws, updater.slots
            factors, most = _most_factors(rule, one), _most_pulses(rule, updater, one)
            if isinstance(rule, RankOneMomentum):
                kind, vectors = parts.RANK_ONE, (rule.u, rule.v, rule.sum_u, rule.sum_v)
            if isinstance(rule, ColumnMomentum):
                kind, vectors, key = parts.COLUMNS, (rule.along, rule.across, rows, columns), rule.key
                power = rule.power
            if isinstance(rule, RankOneMomentum | ColumnMomentum | PerSample):
                threshold = rule.threshold
        made = parts.new_layer(
            self._blocks[number][0], one.inputs, one.outputs, kind, *vectors, key, threshold, power,
            factors, most, draws.key, draws.stream, slots, settings.encoding.probability,
            settings.encoding.rare_lines == "columns", settings.encoding.gated_share, settings.audit_every,
            trained,
        )  # fmt: skip
        for other in self._blocks[number][1:]:
            parts.add_block(made, other)
        return made

    def _take_up(self) -> None:
        """Copy what the loop in Python may have changed."""
        training = self._training
        digital = training.network.digital
        for number, one in enumerate(self._layers):
            if number < len(digital.hidden):
                hidden = digital.hidden[number]
                parts.set_digital(one, hidden.mean_square, hidden.bias, hidden.centre)
            else:
                rest = np.zeros(len(digital.output_bias))
                parts.set_digital(one, rest, digital.output_bias, rest)
            if number >= len(training.updaters):
                continue
            rule, updater = training.rules[number], training.updaters[number]
            if isinstance(rule, RankOneMomentum):
                parts.set_rule(one, rule.count, rule.period, rule.first_period, rule.memory)
            if isinstance(rule, ColumnMomentum):
                parts.set_rule(one, rule.count, rule.period, rule.period, rule.memory)
            counts = updater.counts
            parts.set_counts(
                one, updater.slot, updater.update_number, counts.updates, counts.clipped, counts.pulses,
                counts.peaks, updater.since_audit,
            )  # fmt: skip
            for compiled, known in zip(self._blocks[number], updater.blocks, strict=True):
                parts.set_voltages(compiled, known.amplitudes[1], known.amplitudes[-1])

    def _give_back(self) -> None:
        """Copy what was changed back."""
        training = self._training
        hidden: list[HiddenDigital] = []
        output_bias: Floats = training.network.digital.output_bias
        for number, one in enumerate(self._layers):
            mean_square, bias, centre = parts.digital_of(one)
            if number < len(training.network.digital.hidden):
                hidden.append(HiddenDigital(mean_square, bias, centre))
            else:
                output_bias = bias
            if number >= len(training.updaters):
                continue
            rule, updater = training.rules[number], training.updaters[number]
            if isinstance(rule, RankOneMomentum | ColumnMomentum):
                rule.count = parts.seen_by(one)
            slot, number_next, updates, clipped, pulses, peaks, since_audit = parts.counts_of(one)
            updater.slot, updater.update_number, updater.since_audit = slot, number_next, since_audit
            updater.counts = update.UpdateCounts(updates, clipped, pulses, peaks)
        training.network.digital = Digital(tuple(hidden), output_bias)

    def _book(self, tile: RecordedCrossbar) -> None:
        """Count on a tile what was spent there."""
        spent = spent_on(self._crossbars[tile.tile])
        totals = tile.totals
        totals.pulses += spent.pulses
        totals.reads += spent.reads
        totals.energy, totals.elapsed = spent.energy, spent.elapsed
        if tile.journal is not None and spent.reads:
            purpose, epoch = tile.purpose
            tile.journal.count_reads(
                tile.tile, purpose, epoch, spent.reads, spent.read_elapsed, spent.read_energy
            )

    def _record(self, error: Exception | None) -> None:
        """Write the pulses of the log, in their order; `error` is what the last of them met."""
        logged, where, levels, widths, values = parts.take_log(self._network)
        asked = self._training.pulse.width
        for k in range(logged):
            number, place, ended = where[k]
            part = self._training.network.layers[number].blocks[place]
            rows, columns = part.crossbar.capabilities.shape
            opened = np.where(widths[k, :rows] > 0.0, asked, 0.0)
            pulse = Pulse(
                levels[k, 0, :rows].copy(), levels[k, 1, :columns].copy(), opened if part.gated else asked
            )
            if error is None or ended == MADE:
                part.crossbar.record_made(
                    pulse,
                    width=float(widths[k, :rows].max()),
                    energy=float(values[k, 0]),
                    peak_current=float(values[k, 1]),
                )
            else:
                part.crossbar.record_failed(pulse, error)

    def _error(self, ended: int) -> Exception:
        """What the loop in Python would have raised."""
        number, place = parts.failure_of(self._network)
        tile = self._training.network.layers[number].blocks[place].crossbar
        if ended == samples.SIGNAL:
            return ProtocolError(
                f"a signal to be read on tile {tile.tile} is not finite; lower the rates of the training "
                "section"
            )
        if ended == samples.VOLTAGE:
            return ProtocolError(
                f"a select voltage of tile {tile.tile} is not a finite voltage > 0; calibrate it anew, or "
                "look at training.feedback and training.balance"
            )
        try:
            if isinstance(tile.crossbar, Guard):
                tile.crossbar.settle(ended, last_peak_of(self._crossbars[tile.tile]))
        except MtjloopError as error:
            return error
        return FaultError(
            f"an operation on tile {tile.tile} ended in an unknown way ({ended}); open the bench anew"
        )


def _most_factors(rule: Rule, one: layer.CrossbarLayer) -> int:
    """Factors of one sample at most."""
    if isinstance(rule, ColumnMomentum):
        return one.outputs
    return len(rule.u) if isinstance(rule, RankOneMomentum) else 1


def _most_pulses(rule: Rule, updater: update.Updater, one: layer.CrossbarLayer) -> int:
    """Pulses of one sample at most: up to four phases a slot on each block that a factor touches."""
    blocks = len(one.blocks)
    if isinstance(rule, ColumnMomentum):  # a column lies on one block of each block of rows
        blocks = len({part.place.first_input for part in one.blocks})
    return 4 * updater.slots * _most_factors(rule, one) * blocks
