"""Write the report of a run."""

from datetime import UTC, datetime
from pathlib import Path

from ...errors import RecordError
from ..whole_file import write_whole
from . import markup, sections, trial_sections
from .evidence import gather

REPORT_FILE = "report.html"


def write_report(run: Path, output: Path | None = None) -> Path:
    """Write one self-contained HTML page about a run, also about one that is running or was cut short.

    Args:
        run: the run directory.
        output: the file to write; None puts `report.html` into the run directory.

    Returns:
        The file written.

    Raises:
        RecordError: the run cannot be read or the page cannot be written.
    """
    evidence = gather(run)
    parts = (
        sections.header(evidence),
        sections.summary(evidence),
        sections.training(evidence),
        sections.confusion(evidence),
        sections.switching(evidence),
        trial_sections.switching_trials(evidence),
        trial_sections.fitted_parameters(evidence),
        sections.maps(evidence),
        sections.cost(evidence),
        sections.messages(evidence),
        sections.provenance(evidence),
        sections.footer(evidence, datetime.now(UTC)),
    )
    manifest = evidence.manifest
    text = markup.page(f"{manifest.name} - {manifest.run_id}", "\n".join(part for part in parts if part))
    path = run / REPORT_FILE if output is None else output
    try:
        write_whole(path, text)
    except OSError as error:
        raise RecordError(
            f"cannot write the report {path}: {error}. Give another file to write to that has room."
        ) from error
    return path
