"""Data roots made for the tests, and worlds without a network."""

import gzip
import hashlib
import pickle
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from published import mnist_files, numbered
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST


@pytest.fixture(scope="session")
def mnist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with numbered images in place of MNIST and Fashion-MNIST."""
    root = tmp_path_factory.mktemp("mnist")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in mnist_files().items():
        (raw / name).write_bytes(content)
    (root / "FashionMNIST").symlink_to(root / "MNIST")
    return root


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mnist_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server on this machine with gzipped files, which torchvision takes for its mirror."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    resources = []
    for name, content in mnist_files().items():
        packed = gzip.compress(content, 1)
        (mirror / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=mirror))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address that torchvision knows leads nowhere."""
    nowhere = (tmp_path / "nowhere").as_uri() + "/"
    monkeypatch.setattr(MNIST, "mirrors", [nowhere])
    monkeypatch.setattr(FashionMNIST, "mirrors", [nowhere])
    monkeypatch.setattr(CIFAR10, "url", nowhere + "cifar-10-python.tar.gz")


def _unreachable(*_: object) -> None:
    raise RuntimeError("the drive cannot be reached")


@pytest.fixture
def no_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.celeba.download_file_from_google_drive", _unreachable)


@pytest.fixture
def cifar_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Numbered images, 6,000 to train and 50 to test, under the md5 sums that torchvision then checks."""
    place = tmp_path / "cifar-10-batches-py"
    place.mkdir()
    train = numbered(6_000, (3, 32, 32)).reshape(5, 1_200, 3072)
    batches = {f"data_batch_{k + 1}": train[k] for k in range(5)}
    batches["test_batch"] = numbered(50, (3072,))
    sums = {}
    for name, data in batches.items():
        content = pickle.dumps({"data": data, "labels": (np.arange(len(data)) % 10).tolist()}, protocol=2)
        (place / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    meta = pickle.dumps({"label_names": list("abcdefghij")}, protocol=2)
    (place / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(CIFAR10, "train_list", [[n, s] for n, s in sums.items() if n != "test_batch"])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": hashlib.md5(meta).hexdigest()})
    return tmp_path
