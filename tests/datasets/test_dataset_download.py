"""Laws of finding files: there first, then the network, then one line."""

import socket
from pathlib import Path

import pytest

from vaebench.datasets.download import found_or_downloaded
from vaebench.errors import UsageError


def test_files_that_are_there_touch_neither_network_nor_disk(tmp_path: Path) -> None:
    asked = []
    root = tmp_path / "absent"
    assert found_or_downloaded("x", root, root, "files", lambda download: asked.append(download) or 7) == 7
    assert asked == [False]
    assert not root.exists()


def test_a_download_is_tried_once_with_limited_patience(tmp_path: Path) -> None:
    asked = []

    def load(download: bool) -> str:
        asked.append((download, socket.getdefaulttimeout()))
        if not download:
            raise AssertionError
        return "found"

    assert found_or_downloaded("x", tmp_path, tmp_path / "new", "files", load) == "found"
    assert asked == [(False, None), (True, 30.0)]
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Error downloading\nTried a, got:\n<refused>\n"), "(<refused>)"),
        (AssertionError(), "(AssertionError)"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_a_failure_is_one_line_with_its_reason(error: Exception, reason: str, tmp_path: Path) -> None:
    def load(download: bool) -> None:
        raise error

    with pytest.raises(UsageError) as said:
        found_or_downloaded("x", tmp_path / "place", tmp_path, "these files", load)
    assert reason in str(said.value)
    assert f"{tmp_path / 'place'}" in str(said.value)
    assert "put these files there" in str(said.value)
    assert "\n" not in str(said.value)
    assert socket.getdefaulttimeout() is None


def test_a_root_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")

    def load(download: bool) -> None:
        raise FileNotFoundError

    with pytest.raises(UsageError, match="File exists"):
        found_or_downloaded("x", root, root, "files", load)


def test_an_interruption_is_not_a_missing_file(tmp_path: Path) -> None:
    def load(download: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found_or_downloaded("x", tmp_path, tmp_path, "files", load)
