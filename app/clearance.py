"""Before a bench of instruments is opened to be energised: a check that passed, and --arm."""

from pathlib import Path

from ..drivers.arming import Qualification, text_hash
from ..drivers.bench import BenchDescription
from ..errors import NotArmedError
from ..records.checks import StoredCheck, last_check, last_check_at


def clearance(description: BenchDescription, runs: Path, arm: bool) -> Qualification | None:
    """The passive check on whose strength a bench may be armed; None for a simulated one.

    Args:
        description: of the bench; nothing is opened.
        runs: directory of the runs, beside which checks are kept.
        arm: whether the user asked for it.

    Raises:
        NotArmedError: the bench file was not checked as it stands, its check failed, or --arm is missing.
        RecordError: a stored check is damaged.
    """
    if not description.hardware:
        return None
    path = description.path
    command = f"`mtjloop check {path}`" if runs == Path("runs") else f"`mtjloop check {path} --runs {runs}`"
    checked = last_check(runs, text_hash(description.text))
    if checked is None:
        before = last_check_at(runs, path)
        why = (
            f"{path} drives instruments, and it was never checked (no check of it in {runs / 'checks'})"
            if before is None
            else f"{path} has changed since it was checked on {_time(before)}"
        )
        raise NotArmedError(f"{why}; nothing was opened. Run {command} first, then this again with --arm")
    if not checked.passed:
        raise NotArmedError(
            f"the check of {path} on {_time(checked)} did not pass ({checked.file}); nothing was opened. Put "
            f"right what it found and run {command} again"
        )
    if not arm:
        raise NotArmedError(
            f"{path} drives instruments; nothing was opened. It was checked on {_time(checked)} and passed: "
            "give --arm to let the die be energised"
        )
    return Qualification(checked.bench_hash, checked.identities, checked.passed, checked.checked_utc)


def _time(check: StoredCheck) -> str:
    return check.checked_utc[:19].replace("T", " ") + " UTC"
