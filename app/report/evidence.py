"""Everything a report shows, read from a run once and ordered for showing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...records.manifest import Manifest
from ...records.reader import RunReader
from ...records.values import MapRecord, MessageRecord, PulseTotal, ReadTotal, SwitchingRecord
from ..fidelity import fidelity_rows
from .trials import TrialEvidence, gather_trials

PURPOSES = ("train", "audit", "characterize", "disturb", "map", "program", "calibrate", "infer")
Series = tuple[NDArray[np.int64], NDArray[np.float64]]
# Quarter decades: fine enough to see saturation, coarse enough for intervals that say something.
BINS_PER_DECADE = 4


@dataclass(frozen=True)
class SwitchingBins:
    """Switching of one layer and polarity, summed over epochs in bins of requested probability.

    Attributes:
        requested: float64[bins], mean over the cells of a bin, all above 0.
        cells: int64[bins].
        switched: int64[bins].
        idle_cells: cells that were asked not to switch.
        idle_switched: how many of them did, all the same.
    """

    layer: int
    polarity: int
    requested: NDArray[np.float64]
    cells: NDArray[np.int64]
    switched: NDArray[np.int64]
    idle_cells: int
    idle_switched: int


@dataclass(frozen=True)
class Spending:
    """What one purpose cost; times in seconds, energies in joules or None if unknown."""

    purpose: str
    pulses: int
    pulse_time: float
    pulse_energy: float | None
    refused: int
    doubtful: int
    reads: int
    read_time: float
    read_energy: float | None


@dataclass(frozen=True)
class Evidence:
    """A run as the report sees it."""

    directory: Path
    manifest: Manifest
    metrics: dict[str, Series]
    maps: dict[int, list[MapRecord]]
    bins: list[SwitchingBins]
    flips: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
    spending: list[Spending]
    arrays: dict[str, NDArray[Any]]
    messages: list[MessageRecord]
    trials: TrialEvidence | None = None
    fidelity: Sequence[Mapping[str, Any]] = ()

    def number(self, key: str) -> float | None:
        """A number of the result, None if it is absent or something else."""
        value = self.manifest.result.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def classes(self) -> list[str]:
        """Names of the classes; empty if the run has none."""
        value = self.manifest.result.get("classes")
        return [str(item) for item in value] if isinstance(value, list) else []


def gather(directory: Path) -> Evidence:
    """Read what a report needs, also from a run that is being written or was killed.

    Raises:
        RecordError: the run cannot be read.
    """
    with RunReader(directory) as run:
        switching = run.switching()
        arrays = run.arrays()
        return Evidence(
            directory=directory,
            manifest=run.manifest,
            metrics=run.metrics(),
            maps=shown_maps(run.maps()),
            bins=switching_bins(switching),
            flips=flips_by_epoch(switching),
            spending=spending(run.pulse_totals(), run.read_totals()),
            arrays=arrays,
            messages=run.messages(),
            trials=gather_trials(directory, arrays),
            fidelity=fidelity_table(run.manifest.result, switching),
        )


def shown_maps(maps: Iterable[MapRecord]) -> dict[int, list[MapRecord]]:
    """By tile: the first map `before` and the last map `after`; without them the last map of each label."""
    by_tile: dict[int, dict[str, MapRecord]] = {}
    for found in maps:
        labels = by_tile.setdefault(found.tile, {})
        if found.label != "before" or "before" not in labels:
            labels[found.label] = found
    shown = {}
    for tile, labels in sorted(by_tile.items()):
        chosen = [labels[label] for label in ("before", "after") if label in labels]
        shown[tile] = chosen or list(labels.values())
    return shown


def switching_bins(records: Iterable[SwitchingRecord]) -> list[SwitchingBins]:
    """Requested against measured switching by layer and polarity, AP -> P first."""
    groups: dict[tuple[int, int], list[SwitchingRecord]] = {}
    for record in records:
        groups.setdefault((record.layer, -record.polarity), []).append(record)
    found = []
    for (layer, turned), members in sorted(groups.items()):
        requested = np.array([record.requested for record in members])
        cells = np.array([record.cells for record in members], np.int64)
        switched = np.array([record.switched for record in members], np.int64)
        asked = (requested > 0) & (cells > 0)
        place = np.round(np.log10(requested, where=asked, out=np.zeros_like(requested)) * BINS_PER_DECADE)
        places = np.unique(place[asked])
        inside = [asked & (place == each) for each in places]
        found.append(
            SwitchingBins(
                layer=layer,
                polarity=-turned,
                requested=np.array(
                    [np.average(requested[sel], weights=cells[sel]) for sel in inside], np.float64
                ),
                cells=np.array([cells[sel].sum() for sel in inside], np.int64),
                switched=np.array([switched[sel].sum() for sel in inside], np.int64),
                idle_cells=int(cells[~asked].sum()),
                idle_switched=int(switched[~asked].sum()),
            )
        )
    return found


def fidelity_table(
    result: Mapping[str, object], records: Sequence[SwitchingRecord]
) -> list[Mapping[str, Any]]:
    """Achieved against requested updates: from the result, or while there is none from the records.

    Records are summed over the audits of an epoch, so there whole epochs are drawn again for the intervals.
    """
    given = result.get("update_fidelity")
    if isinstance(given, list) and all(isinstance(row, Mapping) for row in given):
        return list(given)
    layers = sorted({record.layer for record in records})
    rows: list[Mapping[str, Any]] = []
    for layer in layers:
        mine = [record for record in records if record.layer == layer and record.requested > 0.0]
        found = _by_epoch(mine)
        rows += [{**row, "layer": layer} for row in fidelity_rows([found], "", "")]
    return rows


def _by_epoch(records: Sequence[SwitchingRecord]) -> NDArray[np.float64]:
    """(epochs, 2, entries, 3): requested flips, cells, and cells that switched; AP -> P first."""
    entries: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    for each in records:
        entry = each.requested * each.cells, each.cells, each.switched
        entries.setdefault((each.epoch, 0 if each.polarity > 0 else 1), []).append(entry)
    epochs = sorted({epoch for epoch, _ in entries})
    table = np.zeros((len(epochs), 2, max((len(one) for one in entries.values()), default=0), 3))
    for (epoch, side), members in entries.items():
        table[epochs.index(epoch), side, : len(members)] = members
    return table


def flips_by_epoch(
    records: Iterable[SwitchingRecord],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Epochs, requested flips (sum of probabilities) and measured flips, each [epochs]."""
    sums: dict[int, list[float]] = {}
    for record in records:
        total = sums.setdefault(record.epoch, [0.0, 0.0])
        total[0] += record.requested * record.cells
        total[1] += record.switched
    epochs = sorted(sums)
    return (
        np.array(epochs, np.int64),
        np.array([sums[epoch][0] for epoch in epochs], np.float64),
        np.array([sums[epoch][1] for epoch in epochs], np.float64),
    )


def spending(pulses: Iterable[PulseTotal], reads: Iterable[ReadTotal]) -> list[Spending]:
    """Cost by purpose over all tiles and epochs, in the order a run goes through them."""
    pulse_groups: dict[str, list[PulseTotal]] = {}
    for pulse in pulses:
        pulse_groups.setdefault(pulse.purpose, []).append(pulse)
    read_groups: dict[str, list[ReadTotal]] = {}
    for read in reads:
        read_groups.setdefault(read.purpose, []).append(read)
    names = {*pulse_groups, *read_groups}
    ordered = [name for name in PURPOSES if name in names] + sorted(names.difference(PURPOSES))
    return [
        Spending(
            purpose=name,
            pulses=sum(each.repeats for each in pulse_groups.get(name, [])),
            pulse_time=sum(each.elapsed for each in pulse_groups.get(name, [])),
            pulse_energy=_known_sum(each.energy for each in pulse_groups.get(name, [])),
            refused=sum(each.refused for each in pulse_groups.get(name, [])),
            doubtful=sum(each.doubtful for each in pulse_groups.get(name, [])),
            reads=sum(each.count for each in read_groups.get(name, [])),
            read_time=sum(each.elapsed for each in read_groups.get(name, [])),
            read_energy=_known_sum(each.energy for each in read_groups.get(name, [])),
        )
        for name in ordered
    ]


def _known_sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
