"""Files that are written whole or not at all."""

import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from mtjloop.app.plot_file import save_plot
from mtjloop.app.whole_file import write_whole
from mtjloop.errors import ConfigurationError


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "made" / "page.html"
    for text in ("first", "µ and what UTF-8 cannot hold: \udcff"):
        write_whole(path, text)
    assert path.read_text(encoding="utf-8") == "µ and what UTF-8 cannot hold: ?"
    assert list(path.parent.iterdir()) == [path]


def picture(path: Path) -> None:
    save_plot(Figure(figsize=(2, 2)), path)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of the size of files there")
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_without_room_the_earlier_picture_stays(tmp_path: Path, suffix: str) -> None:
    import resource

    path = tmp_path / f"plot{suffix}"
    picture(path)
    earlier = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ConfigurationError, match="cannot be written"):
            picture(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == earlier and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of the size of files there")
def test_without_room_the_earlier_file_stays_and_no_draft_is_left(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "fit.json"
    write_whole(path, "earlier")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError):
            write_whole(path, 5000 * "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text(encoding="utf-8") == "earlier" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_stays_one_and_a_device_is_written_to(tmp_path: Path) -> None:
    path, link, device = tmp_path / "page.html", tmp_path / "link.html", tmp_path / "null"
    write_whole(path, "earlier")
    link.symlink_to(path)
    device.symlink_to("/dev/null")
    write_whole(link, "now")
    write_whole(device, "gone")
    assert link.is_symlink() and path.read_text(encoding="utf-8") == "now"
    assert device.is_symlink() and Path("/dev/null").is_char_device()
