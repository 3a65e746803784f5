"""Laws of finding files: there first, then the network, then one line."""

import gzip
import socket
import tarfile
from pathlib import Path

import pytest
from published import mnist_files

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


def everything(root: Path) -> dict[str, tuple[int, int]]:
    """What lies below a folder, itself included: name -> kind and time of the last change."""
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in (root, *root.rglob("*"))}


@pytest.mark.parametrize("there", ["", "data", "data/MNIST", "data/MNIST/raw"])
def test_a_root_that_gets_nothing_is_left_as_it_was(there: str, tmp_path: Path) -> None:
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    root = tmp_path / "data"

    def load(download: bool) -> None:
        if download:
            (root / "MNIST" / "raw").mkdir(parents=True, exist_ok=True)
        raise RuntimeError("no network")

    with pytest.raises(UsageError, match="no network"):
        found_or_downloaded("x", root / "MNIST" / "raw", root, "files", load)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_download_brought_is_kept_without_a_lock(tmp_path: Path) -> None:
    root = tmp_path / "data"

    def load(download: bool) -> str:
        if not download:
            raise FileNotFoundError
        (root / "files").mkdir()
        (root / "files" / "x").write_text("")
        return "found"

    assert found_or_downloaded("x", root / "files", root, "files", load) == "found"
    assert [path.name for path in sorted(root.rglob("*"))] == ["files", "x"]


def test_a_wrong_root_is_left_as_it_was(tmp_path: Path, no_network: None) -> None:
    from vaebench.datasets.cifar10 import cifar10
    from vaebench.datasets.mnist import fashion_mnist, mnist

    (tmp_path / "mine").mkdir()
    before = everything(tmp_path / "mine")
    for data in (mnist, fashion_mnist, cifar10):
        for root in (tmp_path / "wrong" / "way", tmp_path / "mine"):
            with pytest.raises(UsageError, match="none could be downloaded"):
                data(root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
    assert everything(tmp_path / "mine").keys() == before.keys()


def packed_mnist(root: Path, plain: int) -> None:
    """The four files of MNIST, all but some of them as .gz."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for number, (name, content) in enumerate(mnist_files().items()):
        if number < plain:
            (raw / name).write_bytes(content)
        else:
            (raw / f"{name}.gz").write_bytes(gzip.compress(content, 1))


@pytest.mark.parametrize("plain", range(4))
def test_packed_files_are_read_and_nothing_is_written_beside_them(
    plain: int, tmp_path: Path, mnist_root: Path, no_network: None
) -> None:
    from vaebench.datasets.mnist import mnist

    packed_mnist(tmp_path, plain)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = everything(tmp_path)
    data = mnist(tmp_path)
    assert everything(tmp_path) == before
    for path in tmp_path.rglob("*"):
        path.chmod(0o755)
    assert data.checksum == mnist(mnist_root).checksum


def test_a_packed_cifar_is_read_and_nothing_is_written_beside_it(
    cifar_root: Path, tmp_path_factory: pytest.TempPathFactory, no_network: None
) -> None:
    from vaebench.datasets.cifar10 import cifar10

    root = tmp_path_factory.mktemp("packed")
    with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(cifar_root / "cifar-10-batches-py", "cifar-10-batches-py")
    before = everything(root)
    assert cifar10(root).checksum == cifar10(cifar_root).checksum
    assert everything(root) == before
