"""One update of one layer: the pulses of a factor on all its tiles, audited now and then."""

from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from ..mapping import ResistanceMap
from ..settings import PulseSettings
from .audit import AUDIT_SHAPE, Audit, Tally
from .balance import Balance
from .block import Block
from .controller_draws import Draws
from .device_trials import SelectCounts, record_selected
from .encoding import BlockEncoder, peak_of, planned, slot_fires
from .feedback import Feedback
from .layer import CrossbarLayer
from .rule import Factor
from .settings import EncodingSettings


@dataclass
class UpdateCounts:
    """What the updates of an epoch came to.

    Attributes:
        updates: asked for.
        clipped: of these, asking for more than the encoding or the range of amplitudes can give.
        pulses: sent.
        peaks: sum over updates of the largest probability asked for, 1 at most each.
    """

    updates: int = 0
    clipped: int = 0
    pulses: int = 0
    peaks: float = 0.0


class BlockUpdater:
    """What updates need to know of one block.

    Attributes:
        block: see there.
        encoder: makes its pulses.
        feedback: corrects amplitudes for drift; None leaves them.
        balance: corrects them by what audits found; None leaves them.
        audit: of this epoch.
    """

    def __init__(
        self, block: Block, encoding: EncodingSettings, pulse: PulseSettings, balanced: bool
    ) -> None:
        self.block = block
        self.encoder = BlockEncoder(block, encoding, pulse)
        self._amplitudes = dict(self.encoder.calibrated)
        self._most = pulse.search_to
        self.feedback: Feedback | None = None
        self.balance = Balance() if balanced else None
        self.audit = Audit()

    @property
    def amplitudes(self) -> dict[int, float]:
        """At which P is taken to be p0, by polarity, V."""
        return self._amplitudes

    def follow_drift(self, epoch: int) -> None:
        """Take the amplitudes for the next update from the feedback, if there is one."""
        if self.feedback is not None:
            self._amplitudes = self._balanced(self.feedback.amplitudes(epoch))

    def close_epoch(self) -> None:
        """Correct the amplitudes by what the audits of the epoch found, if asked to."""
        if self.balance is not None:
            slopes = {polarity: self.block.calibration.curve(polarity).slope for polarity in (1, -1)}
            self.balance.learn(self.audit, slopes, self.encoder.calibrated)
            if self.feedback is None:
                self._amplitudes = self._balanced(self.encoder.calibrated)

    def _balanced(self, amplitudes: dict[int, float]) -> dict[int, float]:
        if self.balance is None:
            return amplitudes
        return {
            polarity: min(volts + self.balance.shifts[polarity], self._most)
            for polarity, volts in amplitudes.items()
        }

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
        slot: number of the next slot since training began.
        update_number: number of the next update since training began.
        since_audit: updates since the last audit.
        draws: fire and leave out rows and columns.

    Args:
        layer: calibrated.
        encoding: of probabilities into pulses.
        pulse: width, highest amplitude and bias of unselected lines.
        audit_every: updates between two audits; 0 for none.
        draws: fire rows and columns.
        balanced: correct amplitudes by what audits found, see `Balance`.
    """

    def __init__(
        self,
        layer: CrossbarLayer,
        encoding: EncodingSettings,
        pulse: PulseSettings,
        audit_every: int,
        draws: Draws,
        balanced: bool = False,
    ) -> None:
        self._encoding, self._pulse = encoding, pulse
        self._audit_every, self.draws = audit_every, draws
        self.blocks = tuple(BlockUpdater(block, encoding, pulse, balanced) for block in layer.blocks)
        self.since_audit = 0
        self.slot = self.update_number = 0
        self._audits: list[Floats] = []
        self.counts = UpdateCounts()

    @property
    def slots(self) -> int:
        """Chances to fire in one update."""
        return self._encoding.chances

    def begin_epoch(self) -> None:
        """Start new counts."""
        for one in self.blocks:
            one.audit = Audit()
        self.counts = UpdateCounts()

    def close_epoch(self) -> None:
        """Correct what the audits of the epoch call for."""
        for one in self.blocks:
            one.close_epoch()

    @property
    def audits(self) -> Floats:
        """Every audited update over all blocks, (audits, 2, groups, 3); see `Audit.add`."""
        return np.array(self._audits) if self._audits else np.zeros((0, *AUDIT_SHAPE))

    def audited(self) -> Tally:
        """What the audits of this epoch saw, over all blocks."""
        return sum((one.audit.total() for one in self.blocks), Tally())

    def update(self, factor: Factor, epoch: int) -> None:
        """Send the pulses of one factor, in up to four sign phases a slot and block."""
        plan = planned(factor, self._encoding, self.draws, self.update_number)
        if plan is None:
            return
        self.update_number += 1
        self.counts.updates += 1
        self.counts.peaks += min(1.0, peak_of(factor))
        clipped = plan.clipped
        self.since_audit += 1
        audited = 0 < self._audit_every <= self.since_audit
        for one in self.blocks:
            one.follow_drift(epoch)
        before = [_map(one.block, epoch) for one in self.blocks] if audited else []
        selected = [SelectCounts(one.block) for one in self.blocks] if audited else []
        for _ in range(self.slots):
            rows, columns = slot_fires(plan, self.draws, self.slot)
            self.slot += 1
            for number, one in enumerate(self.blocks):
                sent = one.encoder.pulses(plan, rows, columns, one.amplitudes)
                self.counts.pulses += len(sent)
                clipped |= any(each.capped for each in sent)
                with one.block.crossbar.during("train", epoch):
                    for each in sent:
                        one.block.crossbar.apply(each.pulse)
                if audited:
                    for each in sent:
                        selected[number].add(each.phase)
        self.counts.clipped += clipped
        if audited:
            self.since_audit = 0
            seen = [
                self._audit(one, factor, first, counts, epoch)
                for one, first, counts in zip(self.blocks, before, selected, strict=True)
            ]
            self._audits.append(np.sum(seen, axis=0))

    def _audit(
        self, one: BlockUpdater, factor: Factor, first: ResistanceMap, selected: SelectCounts, epoch: int
    ) -> Floats:
        """Count what an update did, by requested probability and device by device; see `Audit.add`."""
        block = one.block
        last = _map(block, epoch)
        working = block.calibration.levels.stuck < 0
        trials = one.amplitudes if self._encoding.kind == "coincidence" else {}
        for polarity, amplitude in trials.items():
            record_selected(
                block.crossbar, selected, polarity, amplitude, self._pulse.width, working, first, last, epoch
            )
        known = working & (first.state >= 0) & (last.state >= 0)
        return one.audit.add(
            one.part(factor),
            block.cell_signs,
            block.cells(first.state),
            block.cells(last.state),
            block.cells(known.astype(np.int8)),
        )


def _map(block: Block, epoch: int) -> ResistanceMap:
    with block.crossbar.during("audit", epoch):
        return block.map()
