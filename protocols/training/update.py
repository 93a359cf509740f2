"""One update of one layer: the pulses of a factor on all its tiles, audited now and then."""

from dataclasses import dataclass

import numpy as np

from ..mapping import ResistanceMap
from ..selection import Flags
from ..settings import PulseSettings
from .audit import Audit, Tally
from .block import Block
from .coincidence import Phase, fired, firing, phases
from .controller_draws import Draws
from .device_trials import SelectCounts, record_selected
from .feedback import Feedback
from .layer import CrossbarLayer
from .rule import Factor
from .settings import CoincidenceSettings


@dataclass
class UpdateCounts:
    """What the updates of an epoch came to: updates asked, clipped by the encoding, pulses sent."""

    updates: int = 0
    clipped: int = 0
    pulses: int = 0


class BlockUpdater:
    """What updates need to know of one block.

    Attributes:
        block: see there.
        amplitudes: select voltage by polarity, V.
        feedback: corrects it for drift; None leaves it.
        audit: of this epoch.
    """

    def __init__(self, block: Block, encoding: CoincidenceSettings, pulse: PulseSettings) -> None:
        self.block = block
        self.amplitudes = {
            polarity: block.calibration.amplitude(polarity, encoding.probability, pulse)
            for polarity in (1, -1)
        }
        self.feedback: Feedback | None = None
        self.audit = Audit()

    def part(self, factor: Factor) -> Factor:
        """The part of a factor that concerns this block."""
        place = self.block.place
        return Factor(
            factor.rows[place.first_input : place.first_input + place.inputs],
            factor.columns[place.first_output : place.first_output + place.outputs],
            factor.strength,
        )


class Updater:
    """Sends the pulses of factors to one layer.

    Attributes:
        blocks: in the order of the layer.
        counts: of this epoch.

    Args:
        layer: calibrated.
        encoding: of probabilities into pulses.
        pulse: width, highest amplitude and bias of unselected lines.
        audit_every: updates between two audits; 0 for none.
        draws: fire rows and columns.
    """

    def __init__(
        self,
        layer: CrossbarLayer,
        encoding: CoincidenceSettings,
        pulse: PulseSettings,
        audit_every: int,
        draws: Draws,
    ) -> None:
        self._encoding, self._pulse = encoding, pulse
        self._audit_every, self._draws = audit_every, draws
        self.blocks = tuple(BlockUpdater(block, encoding, pulse) for block in layer.blocks)
        self._since_audit = 0
        self._slot = 0
        self.counts = UpdateCounts()

    def begin_epoch(self) -> None:
        """Start new counts."""
        for one in self.blocks:
            one.audit = Audit()
        self.counts = UpdateCounts()

    def audited(self) -> Tally:
        """What the audits of this epoch saw, over all blocks."""
        return sum((one.audit.total() for one in self.blocks), Tally())

    def update(self, factor: Factor, epoch: int) -> None:
        """Send the pulses of one factor, in up to four sign phases a slot and block."""
        chances = firing(factor, self._encoding)
        if chances is None:
            return
        self.counts.updates += 1
        self.counts.clipped += int(chances.clipped)
        self._since_audit += 1
        audited = 0 < self._audit_every <= self._since_audit
        for one in self.blocks:
            if one.feedback is not None:
                one.amplitudes = one.feedback.amplitudes(epoch)
        before = [_map(one.block, epoch) for one in self.blocks] if audited else []
        selected = [SelectCounts(one.block) for one in self.blocks] if audited else []
        for _ in range(self._encoding.slots):
            rows, columns = fired(chances, self._draws, self._slot)
            self._slot += 1
            for number, one in enumerate(self.blocks):
                sent = self._fire(one, factor, rows, columns, epoch)
                if audited:
                    for phase in sent:
                        selected[number].add(phase)
        if audited:
            self._since_audit = 0
            for one, first, counts in zip(self.blocks, before, selected, strict=True):
                self._audit(one, factor, first, counts, epoch)

    def _fire(
        self, one: BlockUpdater, factor: Factor, rows: Flags, columns: Flags, epoch: int
    ) -> list[Phase]:
        """Send the pulses of one slot on one block; returns them."""
        block, place = one.block, one.block.place
        inputs = slice(place.first_input, place.first_input + place.inputs)
        outputs = slice(place.first_output, place.first_output + place.outputs)
        found = phases(
            factor.rows[inputs], factor.columns[outputs], rows[inputs], columns[outputs], block.cell_signs
        )
        with block.crossbar.during("train", epoch):
            for phase in found:
                block.crossbar.apply(
                    block.select(
                        phase.rows, phase.columns, phase.polarity, one.amplitudes[phase.polarity],
                        self._pulse.width, self._pulse.unselected,
                    )
                )  # fmt: skip
        self.counts.pulses += len(found)
        return found

    def _audit(
        self, one: BlockUpdater, factor: Factor, first: ResistanceMap, selected: SelectCounts, epoch: int
    ) -> None:
        """Count what an update did, by requested probability and device by device."""
        block = one.block
        last = _map(block, epoch)
        working = block.calibration.levels.stuck < 0
        for polarity, amplitude in one.amplitudes.items():
            record_selected(
                block.crossbar, selected, polarity, amplitude, self._pulse.width, working, first, last, epoch
            )
        known = working & (first.state >= 0) & (last.state >= 0)
        one.audit.add(
            one.part(factor),
            block.cell_signs,
            block.cells(first.state),
            block.cells(last.state),
            block.cells(known.astype(np.int8)),
        )


def _map(block: Block, epoch: int) -> ResistanceMap:
    with block.crossbar.during("audit", epoch):
        return block.map()
