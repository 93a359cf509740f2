"""One update of one layer: the pulses of a factor, audited now and then."""

from dataclasses import dataclass

import numpy as np

from ..mapping import ResistanceMap
from ..settings import PulseSettings
from .audit import Audit
from .coincidence import firing, phases
from .device_trials import SelectCounts, record_selected
from .feedback import Feedback
from .layer import PairLayer
from .rule import Factor
from .settings import CoincidenceSettings


@dataclass
class UpdateCounts:
    """What the updates of an epoch came to: updates asked, clipped by the encoding, pulses sent."""

    updates: int = 0
    clipped: int = 0
    pulses: int = 0


class Updater:
    """Sends the pulses of factors to one layer.

    Attributes:
        amplitudes: select voltage by polarity, V.
        feedback: corrects it for drift; None leaves it.

    Args:
        layer: calibrated.
        encoding: of probabilities into pulses.
        pulse: width, highest amplitude and bias of unselected lines.
        audit_every: updates between two audits; 0 for none.
        rng: fires rows and columns.
    """

    def __init__(
        self,
        layer: PairLayer,
        encoding: CoincidenceSettings,
        pulse: PulseSettings,
        audit_every: int,
        rng: np.random.Generator,
    ) -> None:
        self._layer, self._encoding, self._pulse = layer, encoding, pulse
        self._audit_every, self._rng = audit_every, rng
        self.amplitudes = {
            polarity: layer.calibration.amplitude(polarity, encoding.probability, pulse)
            for polarity in (1, -1)
        }
        self.feedback: Feedback | None = None
        self._since_audit = 0
        self.audit = Audit()
        self.counts = UpdateCounts()

    def begin_epoch(self) -> None:
        """Start new counts."""
        self.audit = Audit()
        self.counts = UpdateCounts()

    def update(self, factor: Factor, epoch: int) -> None:
        """Send the pulses of one factor, in up to four sign phases a slot."""
        chances = firing(factor, self._encoding)
        if chances is None:
            return
        if self.feedback is not None:
            self.amplitudes = self.feedback.amplitudes(epoch)
        self.counts.updates += 1
        self.counts.clipped += int(chances.clipped)
        self._since_audit += 1
        audited = 0 < self._audit_every <= self._since_audit
        before = self._map(epoch) if audited else None
        selected = SelectCounts(self._layer)
        with self._layer.crossbar.during("train", epoch):
            for phase in phases(factor, chances, self._encoding, self._layer.cell_signs, self._rng):
                self._layer.crossbar.apply(
                    self._layer.select(
                        phase.rows,
                        phase.columns,
                        phase.polarity,
                        self.amplitudes[phase.polarity],
                        self._pulse.width,
                        self._pulse.unselected,
                    )
                )
                self.counts.pulses += 1
                if audited:
                    selected.add(phase)
        if before is not None:
            self._since_audit = 0
            self._audited(factor, before, self._map(epoch), selected, epoch)

    def _audited(
        self, factor: Factor, first: ResistanceMap, last: ResistanceMap, selected: SelectCounts, epoch: int
    ) -> None:
        """Count what an update did, by requested probability and device by device."""
        before, after = first.state, last.state
        working = self._layer.calibration.levels.stuck < 0
        used = self._layer.inputs, len(self._layer.cell_signs)
        known = (working & (before >= 0) & (after >= 0)).astype(np.int8)
        for polarity, amplitude in self.amplitudes.items():
            record_selected(
                self._layer.crossbar,
                selected,
                polarity,
                amplitude,
                self._pulse.width,
                working,
                first,
                last,
                epoch,
            )
        self.audit.add(
            factor,
            self._layer.cell_signs,
            before[: used[0], : used[1]],
            after[: used[0], : used[1]],
            known[: used[0], : used[1]],
        )

    def _map(self, epoch: int) -> ResistanceMap:
        with self._layer.crossbar.during("audit", epoch):
            return self._layer.map()
