"""What an install brings: one package, one command, the files it needs, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    where = tmp_path_factory.mktemp("wheel")
    source = where / "source"
    source.mkdir()
    # Built from a copy, so that neither stale build folders nor the working tree are touched.
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(where), str(source)],
        capture_output=True, check=True,
    )  # fmt: skip
    (built,) = where.glob("*.whl")
    return zipfile.ZipFile(built)


def test_only_the_package_lands_in_site_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mtjloop"}


def test_only_the_command_is_installed(wheel: zipfile.ZipFile) -> None:
    (name,) = [one for one in wheel.namelist() if one.endswith("entry_points.txt")]
    lines = wheel.read(name).decode().split("\n")
    assert [line for line in lines if "=" in line] == ["mtjloop = mtjloop.app.entry:run"]
    assert not [one for one in wheel.namelist() if ".data/scripts/" in one]


def test_every_module_and_data_file_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    wanted = {"mtjloop/py.typed", "mtjloop/app/templates/bench.yaml", "mtjloop/app/templates/experiment.yaml"}
    wanted.add("mtjloop/app/templates/plan.yaml")
    for folder in ("app", "drivers", "instruments", "protocols", "records", "sim"):
        wanted |= {f"mtjloop/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / folder).rglob("*.py")}
    wanted |= {f"mtjloop/{path.name}" for path in ROOT.glob("*.py")}
    assert wanted <= inside
    assert not [name for name in inside if name.startswith(("mtjloop/tests", "mtjloop/benchmarks"))]


def test_the_licence_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if name.endswith("LICENSE")]
