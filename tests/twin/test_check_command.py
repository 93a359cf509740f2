"""`mtjloop check` and --arm through the twin: what is refused before anything opens, and what is found."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mtjloop.app.main import app
from mtjloop.app.twin_command import pointed_to
from mtjloop.drivers.bench import tile_views
from mtjloop.drivers.emulated import Served, serve_bench
from mtjloop.records.manifest import read_manifest
from mtjloop.sim.twin.keithley707b import Keithley707B
from mtjloop.sim.twin.wiring import Port

from .benches import DIE, bench_text, described
from .conftest import tell

DEFECTS = DIE.replace("tiles:", "seed: 4, defects: {short: 5 %, open: 5 %}, tiles:")


def run(*arguments: str | Path, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == code, done.output + done.stderr
    return done


def answer(done: Result) -> dict[str, Any]:
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


class Place:
    """A twin and a directory with the bench file that leads to it."""

    def __init__(self, served: Served, directory: Path) -> None:
        self.served, self.bench, self.runs = served, directory / "twin.yaml", directory / "runs"

    def run(self, command: str, *arguments: str | Path, code: int = 0) -> Result:
        return run(command, self.bench, *arguments, "--runs", self.runs, code=code)

    def energised(self) -> bool:
        return bool(self.served.bench.pulses) or self.served.bench.switches > 0


@contextmanager
def place(directory: Path, model: str = "keithley-2600b", die: str = DIE) -> Iterator[Place]:
    description = described(bench_text(model, die=die))
    with serve_bench(description, 3, noise=False) as served:
        made = Place(served, directory)
        text = pointed_to(description, served, made.bench)
        patient = re.sub(r'(resource: "[^"]*")', r"\1, timeout: 30 s", text)  # machines that test are busy
        made.bench.write_text(patient, encoding="utf-8")
        yield made


def test_a_check_that_passes_is_kept_and_opens_the_way_for_arm(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        result = answer(here.run("check", "--json"))
        assert result["passed"] is True
        assert result["electrical"] is None
        kept = json.loads(Path(result["report"]).read_text(encoding="utf-8"))
        assert Path(result["report"]).parent == here.runs / "checks"
        assert kept["hash"] == result["hash"]
        assert kept["identities"]["matrix"].startswith("Keithley Instruments Inc., Model 707B, 7070707")
        assert not here.energised()
        mapped = answer(here.run("map", "--arm", "--json"))
        assert [(tile["rows"], tile["columns"]) for tile in mapped["tiles"]] == [(6, 5)]
        assert here.energised()
        manifest = read_manifest(Path(mapped["run_dir"]))
        assert manifest.wiring_hash == result["hash"]
        assert len(manifest.identities) == 2
        assert manifest.hardware is False  # the instruments are those of a twin, and the file says so
        assert not here.served.bench.driven(Port("smu", 1)).output
        assert tell(here.served.bench, "matrix", 'print(channel.getclose("allslots"))') == "nil\n"


@pytest.mark.parametrize("command", ["map", "program", "train"])
def test_commands_that_energise_are_refused_before_anything_is_opened(tmp_path: Path, command: str) -> None:
    more: list[str | Path] = []
    if command == "program":
        more = ["checkerboard"]
    if command == "train":
        (tmp_path / "quick.yaml").write_text(
            "name: q\ndata: {source: iris}\nnetwork: {hidden: []}\n", encoding="utf-8"
        )
        more = [tmp_path / "quick.yaml"]
    with place(tmp_path) as here:
        began = here.served.bench.timeline.now

        def refused(*arguments: str | Path) -> str:
            return here.run(command, *more, *arguments, code=1).stderr

        for arm in ([], ["--arm"]):
            text = refused(*arm)
            assert "never checked" in text
            assert "nothing was opened. Run `mtjloop check" in text
        assert here.served.bench.timeline.now == began
        assert not here.runs.exists()

        here.run("check")
        began = here.served.bench.timeline.now
        assert "checked on 2" in refused()
        assert "give --arm" in refused()

        text = here.bench.read_text(encoding="utf-8")
        here.bench.write_text(text + "# moved the die\n", encoding="utf-8")
        assert "has changed since it was checked" in refused("--arm")
        assert here.served.bench.timeline.now == began
        assert [one.name for one in here.runs.iterdir()] == ["checks"]
        here.bench.write_text(text, encoding="utf-8")

        tell(here.served.bench, "smu", "smua.source.output = 1")
        failed = here.run("check", code=1)
        assert "FAIL" in failed.stdout
        began = here.served.bench.timeline.now
        assert "did not pass" in refused("--arm")
        assert here.served.bench.timeline.now == began
        here.run("check")


def test_what_experiments_cannot_work_with_is_found_before_they_start(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        text = here.bench.read_text(encoding="utf-8").replace(
            "program_unselected: half", "program_unselected: third"
        )
        here.bench.write_text(text, encoding="utf-8")
        transcript = tmp_path / "bytes.jsonl"
        result = answer(here.run("check", "--json", "--transcript", transcript, code=1))
        (failed,) = [one for one in result["findings"] if not one["passed"]]
        assert failed["what"] == "levels"
        assert "program_unselected is third, which needs 4 levels" in failed["detail"]
        assert "*IDN?" in transcript.read_text(encoding="utf-8")


def test_infer_asks_for_a_check_too(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(
        "name: q\ndata: {source: iris}\nnetwork: {hidden: []}\ntraining: {epochs: 1}\n", encoding="utf-8"
    )
    die = DIE.replace("{rows: 6, columns: 5}", "{rows: 5, columns: 6}")
    simulated = tmp_path / "simulated.yaml"
    text = bench_text(backend="simulated", die=die)
    text = text.replace("1-6]", "1-5]").replace("2.1-5]", "2.1-6]")
    simulated.write_text(text, encoding="utf-8")
    run("train", simulated, tmp_path / "quick.yaml", "--runs", tmp_path / "runs")
    bench = tmp_path / "bench.yaml"
    bench.write_text(text.replace("backend: simulated", "backend: smu"), encoding="utf-8")
    done = run("infer", "last", "--bench", bench, "--runs", tmp_path / "runs", "--arm", code=1)
    assert "never checked" in done.stderr


def test_another_instrument_than_was_checked_is_never_energised(tmp_path: Path) -> None:
    """The matrix was swapped after the check; the bench file names no serial number."""
    text = bench_text().replace(', serial_number: "7070707"', "").replace("[smu, matrix]", "[]")
    with serve_bench(described(text), 3) as served:
        here = Place(served, tmp_path)
        here.bench.write_text(pointed_to(described(text), served, here.bench), encoding="utf-8")
        here.run("check")
        matrix = served.bench.emulators["matrix"]
        assert isinstance(matrix, Keithley707B)
        matrix.identity = replace(matrix.identity, serial="9999999")
        done = here.run("map", "--arm", code=1)
        assert "instrument matrix answers" in done.stderr
        assert "9999999" in done.stderr
        assert not here.energised()


@pytest.mark.parametrize("model", ["keithley-2600b", "keysight-b2900"])
def test_the_electrical_check_finds_every_defect_of_the_die(tmp_path: Path, model: str) -> None:
    with place(tmp_path, model, DEFECTS) as here:
        plot = tmp_path / "map.svg"
        result = answer(here.run("check", "--arm", "--plot", plot, "--json", code=1))
        (tile,) = result["electrical"]["tiles"]
        found = {
            (i, j): word
            for i, row in enumerate(tile["verdict"])
            for j, word in enumerate(row)
            if word != "good"
        }
        hidden = tile_views(described(bench_text(model, die=DEFECTS)))[0].defects
        expected = {
            (i, j): word
            for i, row in enumerate(hidden)
            for j, word in enumerate(row)
            if word in ("short", "open")
        }
        assert found == expected
        assert len(expected) >= 2
        assert not here.served.bench.pulses
        assert plot.read_text(encoding="utf-8").startswith("<?xml")
        lines = {(line["side"], line["line"]): line["finding"] for line in tile["lines"]}
        row, column = next(iter(expected))
        assert lines["row", row]
        assert lines["column", column]


def test_people_get_tables_and_the_cells(tmp_path: Path) -> None:
    with place(tmp_path, die=DEFECTS) as here:
        passive = here.run("check").stdout
        assert "passed; nothing was energised" in passive
        assert "relays open" in passive
        text = here.run("check", "--arm", code=1).stdout
        assert "FAILED" in text
        assert "row 0" in text
        assert "column 4" in text
        assert ". good, O open, S short" in text


def test_a_relay_that_is_welded_shows_electrically(tmp_path: Path) -> None:
    """Row 2 stays on the driving row of the matrix whatever is commanded."""
    with place(tmp_path) as here:
        here.served.endpoints["matrix"].arm("stuck-relay", crosspoint="1A03")
        assert answer(here.run("check", "--json"))["passed"] is True
        result = answer(here.run("check", "--arm", "--json", code=1))
        (tile,) = result["electrical"]["tiles"]
        assert tile["passed"] is False


def test_a_line_that_is_not_connected_is_an_open_line(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.served.endpoints["matrix"].arm("stuck-relay", crosspoint="2B03", closed=False)
        result = answer(here.run("check", "--arm", "--json", code=1))
        (tile,) = result["electrical"]["tiles"]
        findings = {(one["side"], one["line"]): one["finding"] for one in tile["lines"]}
        assert findings["column", 2] == "open line: wire, relay or contact"


def test_a_failed_passive_check_is_never_followed_by_an_electrical_one(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        tell(here.served.bench, "smu", "smua.source.output = 1")
        result = answer(here.run("check", "--arm", "--json", code=1))
        assert result["electrical"] is None
        assert not here.energised()


def test_a_simulated_bench_is_checked_and_read_without_arming(tmp_path: Path) -> None:
    bench = tmp_path / "bench.yaml"
    bench.write_text(bench_text(backend="simulated", die=DEFECTS), encoding="utf-8")
    runs = tmp_path / "runs"
    assert answer(run("check", bench, "--runs", runs, "--json"))["passed"] is True
    assert "needs no arming" in run("check", bench, "--runs", runs).stdout
    result = answer(run("check", bench, "--runs", runs, "--arm", "--json", code=1))
    counts = result["electrical"]["tiles"][0]["counts"]
    assert counts["short"] + counts["open"] > 1
    run("map", bench, "--runs", runs)


def test_stuck_cells_are_found_by_switching(tmp_path: Path) -> None:
    bench = tmp_path / "bench.yaml"
    die = DIE.replace("tiles:", "seed: 2, defects: {stuck_p: 8 %}, tiles:")
    bench.write_text(bench_text(backend="simulated", die=die), encoding="utf-8")
    runs = tmp_path / "runs"
    assert answer(run("check", bench, "--runs", runs, "--arm", "--json"))["passed"] is True
    result = answer(run("check", bench, "--runs", runs, "--arm", "--switch", "--json", code=1))
    assert result["electrical"]["tiles"][0]["counts"]["stuck_p"] >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--switch"], "need the electrical check: give --arm too"),
        (["--plot", "map.png"], "need the electrical check: give --arm too"),
        (["--arm", "--plot", "map.gif"], "a name that ends in .png, .svg, .pdf"),
        (["--arm", "--short", "5"], "--short: found '5'"),
        (["--tile", "7"], "--tile 7: the bench has tiles 0 to 0"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, arguments: list[str], words: str) -> None:
    bench = tmp_path / "bench.yaml"
    bench.write_text(bench_text(backend="simulated"), encoding="utf-8")
    done = run("check", bench, "--runs", tmp_path / "runs", *arguments, code=2)
    assert words in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyvisa-py leaks a socket
def test_a_source_that_dies_while_it_runs_is_said_to_be_unknown(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.run("check")
        bench = here.served.bench
        original = bench.set_relays

        def dying(*arguments: Any, **options: Any) -> Any:
            here.served.endpoints["smu"].arm("process-death")
            bench.set_relays = original  # type: ignore[method-assign]
            return original(*arguments, **options)

        bench.set_relays = dying  # type: ignore[method-assign]
        done = here.run("program", "checkerboard", "--arm", code=1)
        assert "UNKNOWN" in done.stderr
        (run_dir,) = [one for one in here.runs.iterdir() if one.name != "checks"]
        reason = read_manifest(run_dir).stop_reason
        assert reason.startswith("failed")
    gc.collect()


def test_a_damaged_check_is_named(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        report = Path(answer(here.run("check", "--json"))["report"])
        report.write_text("{", encoding="utf-8")
        assert "no stored check" in here.run("map", "--arm", code=1).stderr


def test_only_a_twin_on_this_machine_may_be_called_emulated(tmp_path: Path) -> None:
    bench = tmp_path / "bench.yaml"
    bench.write_text(bench_text().replace("visa_library", "emulated: true\n  visa_library"), encoding="utf-8")
    assert "a twin is on 127.0.0.1" in run("check", bench, "--runs", tmp_path, code=2).stderr


def test_every_byte_is_kept_with_the_run_where_the_bench_file_asks_for_it(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        text = here.bench.read_text(encoding="utf-8")
        here.bench.write_text(text.replace("smu:\n", "smu:\n  transcript: true\n", 1), encoding="utf-8")
        here.run("check")
        mapped = answer(here.run("map", "--arm", "--json"))
        kept = (Path(mapped["run_dir"]) / "transcript.jsonl").read_text(encoding="utf-8").splitlines()
        sent = [entry["sent"] for entry in map(json.loads, kept) if "sent" in entry]
        assert "*IDN?\n" in sent
        assert any(message.startswith("mtjloop_routed_reads(node[2].channel") for message in sent)
