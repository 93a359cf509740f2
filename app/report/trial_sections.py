"""The sections of a report on switching trials; empty when the run made none."""

from typing import Any

import numpy as np

from ...protocols.switching.checks import SIGNIFICANT
from ...records.tallies import POLARITY_NAMES
from ..format import count, percent, quantity
from . import markup, trial_figures
from .evidence import Evidence
from .intervals import wilson
from .trials import Device, TrialEvidence, by_device, device_of

_JOINED = {
    "shared": ", both polarities of a cell together with one Delta",
    "field": ", both polarities of a cell together with one Delta and a stray field",
}
_DEVICES = 2
_TILES = 2
MICRO = "µ"


def switching_trials(evidence: Evidence) -> str:
    """P(V) of some devices, residuals, drift, trials spent."""
    trials = evidence.trials
    if trials is None:
        return ""
    shown = []
    for device in _chosen(trials):
        tile, row, column, polarity = device
        shown.append(
            markup.figure(
                trial_figures.switching_curves(trials, device),
                f"Tile {tile}, cell ({row}, {column}), {POLARITY_NAMES[polarity]}",
                "Counts with 95 % Wilson intervals"
                + (" and the fit over all widths." if trials.fit else "; `mtjloop fit` adds the fit."),
            )
        )
    if trials.rows:
        shown.append(
            markup.figure(
                trial_figures.residuals(trials),
                "Residuals",
                "All points of all devices; squares are means of ten bins. The grey band holds 95 % of "
                "them if the law holds.",
            )
        )
    if trials.reference:
        shown.append(
            markup.figure(
                trial_figures.reference_by_block(trials),
                "Reference point by block",
                "Each device against its own mean over all blocks. The bands are two standard deviations of "
                "binomial trials: a drift that devices share leaves them.",
            )
        )
    if trials.rows:
        shown.append(
            markup.figure(
                trial_figures.chances(trials),
                "Tests of single devices",
                "Share of devices and polarities whose test of scatter or drift gave a chance below p. "
                "Steady ones follow the broken line; left of the grey line they are flagged.",
            )
        )
    shown.append(
        markup.figure(
            trial_figures.trials_spent(trials.points),
            "Trials by voltage and width",
            f"{count(sum(each.trials for each in trials.points))} trials in all.",
        )
    )
    return markup.section("Switching probabilities", markup.figures(shown), _table(trials))


def fitted_parameters(evidence: Evidence) -> str:
    """Parameters over the array, their correlations and spread."""
    trials = evidence.trials
    if trials is None or trials.fit is None:
        return ""
    fit = trials.fit
    summary = fit["summary"]
    rows = [
        (
            name.replace("_", " "),
            _value(name, summary[name]["mean"]),
            percent(summary[name]["spread"], 2),
            percent(summary[name]["measured_spread"], 2),
            percent(summary[name]["error"], 2),
        )
        for name in ("delta", "critical_voltage_up", "critical_voltage_down", "resistance")
        if summary[name]["mean"] is not None
    ]
    time = "fitted" if fit["time_fitted"] else "held at"
    kind = "Beta-binomial" if fit.get("overdispersed") else "Binomial"
    together = _JOINED.get(fit.get("joined", "separate"), "")
    unit = quantity(fit["time_unit"], "s", 4, micro=MICRO)
    text = (
        f"{kind} maximum likelihood, {fit['law']}, unit of time {time} {unit}{together}. {fit['flagged']} of "
        f"{len(fit['rows'])} devices and polarities drifted or scattered beyond chance "
        f"(p < {SIGNIFICANT})."
    )
    shown = []
    if len(trials.rows) > 2:
        shown.append(
            markup.figure(trial_figures.correlations(trials), "Correlations", "One mark a cell and polarity.")
        )
    for tile in sorted({row["tile"] for row in trials.rows})[:_TILES]:
        own = [row for row in trials.rows if row["tile"] == tile]
        known = trials.resistances.get(tile)
        shape = (
            (max(row["row"] for row in own) + 1, max(row["column"] for row in own) + 1)
            if known is None
            else (known.shape[0], known.shape[1])
        )
        for polarity in sorted({row["polarity"] for row in own}, reverse=True):
            for name, title in (("delta", "Delta"), ("critical_voltage", "Critical voltage")):
                shown.append(
                    markup.figure(
                        trial_figures.parameter_map(trials, tile, polarity, name, shape),
                        f"{title}, tile {tile}, {POLARITY_NAMES[polarity]}",
                        "Grey cells were not measured.",
                    )
                )
    head = ("Array", "mean", "spread", "as measured", "error of a measurement")
    remarks = [
        markup.paragraph(f"{number} devices: {remark}.", "note") for remark, number in fit["warnings"].items()
    ]
    return markup.section(
        "Fitted parameters",
        markup.paragraph(text),
        *remarks,
        markup.table(head, rows),
        _compared(fit),
        markup.figures(shown),
    )


def _compared(fit: dict[str, Any]) -> str:
    """Laws, and ways of taking both polarities together, beside each other; empty if none were compared."""
    rows = [
        (
            f"{each['law']}, time {'fitted' if each['time_fitted'] else 'fixed'}",
            f"{each['deviance']:.1f}",
            count(each["degrees_of_freedom"]),
            f"{each['aic']:.1f}",
        )
        for each in fit["laws"]
    ]
    rows += [
        (
            f"polarities {each['model']}",
            f"{each['deviance']:.1f}",
            count(each["degrees_of_freedom"]),
            f"{each['aic']:.1f}",
        )
        for each in fit.get("polarity_models", ())
    ]
    head = ("Compared", "deviance", "degrees of freedom", "AIC")
    return markup.table(head, rows) if rows else ""


def _chosen(trials: TrialEvidence) -> list[Device]:
    """Devices whose curves are shown: those in the middle of Delta, or of the trials, of each polarity."""
    points = by_device(trials.points)
    chosen: list[Device] = []
    for polarity in (1, -1):
        rows = sorted(
            (row for row in trials.rows if row["polarity"] == polarity), key=lambda row: float(row["delta"])
        )
        devices = [device_of(row) for row in rows] or [each for each in points if each[3] == polarity]
        if devices:
            places = np.linspace(0, len(devices) - 1, _DEVICES + 2)[1:-1].tolist()
            chosen += list(dict.fromkeys(devices[round(place)] for place in places))
    return [device for device in chosen if device in points]


def _table(trials: TrialEvidence) -> str:
    """Counts over all devices by polarity and width."""
    sums: dict[tuple[int, float], list[int]] = {}
    for each in trials.points:
        total = sums.setdefault((-each.polarity, each.width or 0.0), [0, 0, 0, 0])
        total[0] += each.switched
        total[1] += each.trials
        total[2] += each.reset_failed
        total[3] += each.unreadable
    rows = []
    for (turned, width), (switched, tried, failed, unread) in sorted(sums.items()):
        low, high = wilson(switched, tried)
        rows.append(
            (
                f"{POLARITY_NAMES[-turned]}, {quantity(width, 's', micro=MICRO)}",
                count(tried),
                count(switched),
                f"{percent(float(low))} to {percent(float(high))}",
                count(failed),
                count(unread),
            )
        )
    head = ("All devices", "trials", "switched", "share, 95 % (Wilson)", "reset failed", "unreadable")
    return markup.table(head, rows)


def _value(name: str, value: float) -> str:
    unit = {"delta": "", "resistance": "ohm"}.get(name, "V")
    return quantity(value, unit, 4, micro=MICRO).strip()
