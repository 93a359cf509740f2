"""Settings of training in situ."""

from dataclasses import dataclass, field
from typing import Literal

from .placement import TileLimit
from .weights import WeightKind, WeightLayout

Schedule = Literal["momentum", "per-sample"]


@dataclass(frozen=True)
class CoincidenceSettings:
    """The `coincidence` encoding.

    Attributes:
        probability: switching probability p0 of a cell that sees one full select pulse.
        slots: chances K that rows and columns get to fire in one update, >= 1.
    """

    probability: float = 0.5
    slots: int = 1


@dataclass(frozen=True)
class FeedbackSettings:
    """How reference cells are measured again, see `protocols.training.feedback`.

    Attributes:
        every: updates of a layer between two measurements, >= 1.
        cells: reference cells of a tile, >= 1; unused cells where the layer leaves enough, else cells with
            weights, which are put back afterwards.
        trials: of each cell and polarity in one measurement, >= 1.
        gain: share of a newly found drift that is corrected, in (0, 1].
    """

    every: int = 500
    cells: int = 8
    trials: int = 10
    gain: float = 0.5


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained; the words are those of the rule in docs/training.md.

    Attributes:
        hidden: units of each hidden layer.
        devices: cells in parallel on each side of a weight, m.
        weights: "pair" or "reference", see `protocols.training.weights`.
        tile: most rows and columns of a tile that a layer may use; None for what the bench offers.
        schedule: "momentum" (rank-1 momentum, a few vectors of memory a layer) or "per-sample" (none).
        epochs: passes over the training part.
        rate: eta, wanted switching probability of a unit row signal times a unit column signal.
        margin: a sample whose score leads by more leaves the chip alone.
        memory: lambda, what momentum keeps from one update to the next.
        period: T, violators between two updates of momentum.
        rank: r, leading directions followed by momentum.
        threshold: entries of row and column signals below this share of the largest are dropped.
        hidden_gain: g1, slope of the hidden activation.
        output_gain: g2, scale of the outputs.
        digital_rate: learning rate of the digital biases; 0 switches them off.
        annealing: rates fall as (1 - epoch/epochs)^annealing.
        encoding: how wanted probabilities become pulses.
        pocket: keep the best state on the training part and restore it at the end.
        audit_every: updates between two that are checked by maps before and after; 0 for none.
        feedback: measure reference cells again now and then and correct the select voltage; None: never.
        digital_alone: also train the digital parts alone, on the chip as it came, and report what they reach.
    """

    hidden: tuple[int, ...]
    devices: int = 1
    weights: WeightKind = "pair"
    tile: TileLimit | None = None
    schedule: Schedule = "momentum"
    epochs: int = 200
    rate: float = 0.003
    margin: float = 2.0
    memory: float = 0.97
    period: int = 1
    rank: int = 1
    threshold: float = 0.3
    hidden_gain: float = 1.0
    output_gain: float = 1.5
    digital_rate: float = 0.01
    annealing: float = 1.0
    encoding: CoincidenceSettings = field(default_factory=CoincidenceSettings)
    pocket: bool = True
    audit_every: int = 20
    feedback: FeedbackSettings | None = None
    digital_alone: bool = False

    @property
    def layout(self) -> WeightLayout:
        """How weights are made of cells."""
        return WeightLayout(self.weights, self.devices)
