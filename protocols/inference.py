"""Put a trained network back on crossbars and run samples through it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import StoppedError
from .calibration import DEFAULT_PROBABILITY, Calibration, calibrate
from .journal import Monitor
from .programming import program
from .recorded import RecordedCrossbar
from .settings import PulseSettings, ReadSettings
from .training.layer import PairLayer
from .training.loop import TrainedNetwork
from .training.network import CrossbarNetwork
from .training.placement import layer_sizes


@dataclass(frozen=True)
class KnownLayer:
    """What is known of the crossbar of a layer: its calibration, and siemens of weight 1 in both reads."""

    calibration: Calibration
    steps: tuple[float, float]


def deploy(
    crossbars: Sequence[RecordedCrossbar],
    trained: TrainedNetwork,
    features: int,
    gains: tuple[float, float],
    known: Sequence[KnownLayer] | None,
    read: ReadSettings,
    pulse: PulseSettings,
    write: bool,
    rng: np.random.Generator,
    monitor: Monitor,
) -> tuple[CrossbarNetwork, int]:
    """Make a network of crossbars that hold, or are made to hold, a trained network.

    Args:
        crossbars: one a layer.
        trained: states and digital parts.
        features: of the data.
        gains: g1 and g2 of the network.
        known: of these very crossbars; None calibrates them, which overwrites what they hold.
        read: how to read.
        pulse: how to pulse.
        write: program the states; otherwise the crossbars are taken as they are.
        rng: for the calibration.
        monitor: shows progress.

    Returns:
        The network, and how many cells could not be programmed.

    Raises:
        ConfigurationError: a layer does not fit its crossbar.
        ProtocolError: the cells do not switch within the amplitudes allowed.
        StoppedError: the monitor asked to stop before all was written.
    """
    hidden = tuple(len(part.bias) for part in trained.digital.hidden)
    sizes = layer_sizes(features, hidden, len(trained.digital.output_bias))
    layers, failed = [], 0
    for number, (crossbar, size) in enumerate(zip(crossbars, sizes, strict=True)):
        layer = PairLayer(crossbar, *size, read, trained.devices)
        if known is None:
            with crossbar.during("calibrate"):
                found = calibrate(
                    crossbar, read, pulse, DEFAULT_PROBABILITY, rng, monitor, f"calibrate tile {number}"
                )
            layer.resume(found, (found.levels.conductance_step, found.levels.conductance_step))
        else:
            layer.resume(known[number].calibration, known[number].steps)
        if write:
            target = np.where(layer.used(), layer.padded(trained.states[number]), -1).astype(np.int8)
            with crossbar.during("program"):
                report = program(
                    crossbar, target, layer.calibration, read, pulse, monitor, f"program tile {number}"
                )
            if report.stopped:
                raise StoppedError("stopped while the network was written; the chip holds a part of it")
            failed += len(report.failed)
        if known is None:
            with crossbar.during("calibrate"):
                layer.calibrate(layer.calibration, rng)
        layers.append(layer)
    return CrossbarNetwork(layers, trained.digital, *gains), failed
