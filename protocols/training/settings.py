"""Settings of training in situ."""

import math
from dataclasses import dataclass, field
from typing import Literal

from ...errors import ConfigurationError
from .placement import TileLimit
from .weights import WeightKind, WeightLayout

Schedule = Literal["momentum", "column-momentum", "per-sample", "mini-batch"]
"""Update rule, see `schedule`; mini-batch, with a matrix in the controller, is a control."""
RateSchedule = Literal["annealing", "constant", "cosine"]
"""How rates fall: (1 - t)^power, not at all, or (1 + cos(pi t)) / 2, with t = epoch / epochs."""
OutputLayer = Literal["trained", "code"]
"""Whether the output layer is trained, or written once as a code, see `protocols.training.output_code`."""


EncodingKind = Literal["coincidence", "log-amplitude", "duration-amplitude"]
Gating = Literal["none", "auto"]
RareLines = Literal["both", "columns"]


@dataclass(frozen=True)
class EncodingSettings:
    """How wanted probabilities become pulses.

    Attributes:
        kind: see `protocols.training.encoding`.
        probability: p0, switching probability of a cell at the peak of a pulse: of every selected cell of
            `coincidence`; of the others with gating, of the cell with the largest signals.
        slots: chances K that rows and columns of `coincidence` get to fire in one update, >= 1; a pulse of
            the other encodings carries the whole update, so they have one.
        gating: share of the rows and of the columns that take part in an update, drawn anew for each, in
            (0, 1]; the probability asked of the others rises accordingly. "auto" takes the share that brings
            the peak to p0; `coincidence`, whose lines fire at random anyway, then leaves none out.
        rare_lines: of `coincidence`, which lines fire more rarely the smaller the wanted probability is:
            "both" alike, or "columns" alone, so that a pulse selects few outputs and many of their inputs.
    """

    kind: EncodingKind = "coincidence"
    probability: float = 0.5
    slots: int = 1
    gating: Gating | float = "auto"
    rare_lines: RareLines = "both"

    @property
    def gated_share(self) -> float:
        """Share of the lines that takes part, for `gate_lines`: 0 for no gating, negative for automatic."""
        if self.gating == "none" or (self.gating == "auto" and self.kind == "coincidence"):
            return 0.0
        return -1.0 if isinstance(self.gating, str) else self.gating

    @property
    def chances(self) -> int:
        """Slots that an update really has: `slots` for `coincidence`, which spreads it over them, else 1."""
        return self.slots if self.kind == "coincidence" else 1


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
        constants: inputs of the first layer after the features that carry a constant, >= 0; their weights
            are biases on the chip.
        constant_level: that constant, in (0, 1], where features are within -1 and 1. Several small ones make
            finer biases than one of 1, and flips of theirs disturb less.
        tile: most rows and columns of a tile that a layer may use; None for what the bench offers.
        schedule: "momentum" (rank-1 momentum, a few vectors of memory a layer), "column-momentum" (the same
            memory, summed before it is pulsed, a column at a time), "per-sample" (none) or "mini-batch" (a
            matrix a layer, programmed row by row: a control).
        epochs: passes over the training part.
        rate: eta, wanted switching probability of a unit row signal times a unit column signal.
        margin: a sample whose score leads by more leaves the chip alone.
        memory: lambda, what momentum keeps from one update to the next.
        period: T, violators between two updates of momentum; "auto" starts from 1 and takes, after each of
            the first epochs, the one that brings the peak probability of a pulse near p0, with memory and
            rate changed so that window and mean update stay. The longest is a quarter of the window, so
            "auto" takes a memory of 0.875 or more, and the schedule "momentum".
        rank: r, leading directions followed by momentum; of column momentum no more than half as many numbers
            as the layer has weights.
        threshold: entries of row and column signals below this share of the largest are dropped.
        power: of column momentum: an entry that is a share s of the largest of its column asks for s^power of
            what the largest asks for; above 1 entries of which the average says little are asked less.
        hidden_gain: g1, slope of the hidden activation.
        output_gain: g2, scale of the outputs.
        digital_rate: learning rate of the digital biases; 0 switches them off.
        rate_schedule: how rates fall over the epochs.
        annealing: power of the schedule "annealing".
        batch: violators of a mini-batch.
        output: whether the output layer is trained.
        normalisers: let the scale and the centre of hidden units follow the samples; else the scale stays
        what
            the weights make it on average, one number a layer, and nothing is centred.
        digital_biases: learn biases in the controller.
        validation_fraction: share of the training part held back to choose the pocketed state and to stop by.
        patience: epochs without a better state after which training ends; 0 for never.
        balance: correct the amplitudes of the two polarities by what audits found, see
            `protocols.training.balance`; takes `audit_every` > 0.
        encoding: how wanted probabilities become pulses.
        pocket: keep the best state on the training part and restore it at the end.
        audit_every: updates between two that are checked by maps before and after; 0 for none.
        feedback: measure reference cells again now and then and correct the select voltage; None: never.
        digital_alone: also train the digital parts alone, on the chip as it came, and report what they reach.

    Raises:
        ConfigurationError: settings contradict each other.
    """

    hidden: tuple[int, ...]
    devices: int = 1
    weights: WeightKind = "pair"
    constants: int = 1
    constant_level: float = 1.0
    tile: TileLimit | None = None
    schedule: Schedule = "momentum"
    epochs: int = 200
    rate: float = 0.003
    margin: float = 2.0
    memory: float = 0.97
    period: int | Literal["auto"] = 1
    rank: int = 1
    threshold: float = 0.3
    power: float = 1.0
    hidden_gain: float = 1.0
    output_gain: float = 1.5
    digital_rate: float = 0.01
    rate_schedule: RateSchedule = "annealing"
    annealing: float = 1.0
    batch: int = 32
    output: OutputLayer = "trained"
    normalisers: bool = True
    digital_biases: bool = True
    validation_fraction: float = 0.0
    patience: int = 0
    balance: bool = False
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    pocket: bool = True
    audit_every: int = 20
    feedback: FeedbackSettings | None = None
    digital_alone: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ConfigurationError: names the keys of the experiment file and what to write instead.
        """
        if self.output == "code" and not self.hidden:
            raise ConfigurationError(
                "training.output is code, which leaves only hidden layers to be trained, and network.hidden "
                "is empty; write trained or give hidden units"
            )
        if self.balance and not self.audit_every:
            raise ConfigurationError(
                "training.balance is true and training.audit_every is 0: amplitudes are balanced by what "
                "audits find, so without audits nothing would be; write audit_every: 20, or balance: false"
            )
        if self.period == "auto" and self.schedule == "column-momentum":
            raise ConfigurationError(
                "training.period is auto and training.schedule column-momentum, whose pulses ask for p0 "
                "whatever the period is; write the period as a number, such as 32"
            )
        if self.period == "auto" and longest_period(1.0 / (1.0 - self.memory)) < 2:
            raise ConfigurationError(
                f"training.period is auto and training.memory {self.memory:g}: a period grows to a quarter "
                f"of the {1.0 / (1.0 - self.memory):.3g} violators that momentum remembers, here to no more "
                "than 1; write a memory of 0.875 or more, or the period as a number"
            )
        digital = self.digital_biases and self.digital_rate > 0.0
        if self.digital_alone and not digital and not (self.hidden and self.normalisers):
            raise ConfigurationError(
                "training.digital_alone is true and nothing is learned in the controller; switch on "
                "training.digital_biases (with a digital_rate > 0) or, with hidden units, "
                "training.normalisers; or write digital_alone: false"
            )

    def rate_share(self, epoch: int) -> float:
        """Share of the rates that is left in an epoch."""
        done = epoch / self.epochs
        if self.rate_schedule == "constant":
            return 1.0
        if self.rate_schedule == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))
        return float((1.0 - done) ** self.annealing)

    @property
    def trained_layers(self) -> int:
        """How many of the layers, from the first on, are trained."""
        return len(self.hidden) + (self.output == "trained")

    @property
    def layout(self) -> WeightLayout:
        """How weights are made of cells."""
        return WeightLayout(self.weights, self.devices)


def longest_period(window: float) -> int:
    """Longest automatic period of momentum that remembers `window` violators."""
    return max(1, int(0.25 * window))
