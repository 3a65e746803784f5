"""Extractors: the weights are the named ones or none, and the features tell images apart."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.error import URLError

import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from vaebench import registry
from vaebench.contracts import Dataset, Split
from vaebench.errors import UsageError
from vaebench.evaluation import fid
from vaebench.evaluation.extractors import ExtractorUnavailableError, inception, train
from vaebench.evaluation.extractors.small import ALL, DIGITS, MNIST, Small, SmallExtractor

CPU = torch.device("cpu")
small_ones = pytest.mark.parametrize("small", ALL, ids=lambda small: small.name)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither caches nor a network."""

    def refused(*_: Any, **__: Any) -> None:
        raise URLError("no network in tests")

    monkeypatch.setenv("VAEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(inception, "urlopen", refused)


def data_of(name: str, request: pytest.FixtureRequest) -> Dataset:
    root = Path() if name == "digits" else request.getfixturevalue("data_root")
    found: Dataset = registry.load().resolve("dataset", name)(root)
    return found


def extractor_of(name: str) -> SmallExtractor:
    found: SmallExtractor = registry.load().resolve("extractor", name)(None, CPU)
    return found


@small_ones
def test_shipped_weights_are_the_recorded_ones_and_small(small: Small) -> None:
    content = small.weights.read_bytes()
    assert hashlib.sha256(content).hexdigest() == small.sha256
    assert len(content) <= 1_000_000
    extractor = extractor_of(small.name)
    assert extractor.weights_sha256 == small.sha256
    assert extractor(torch.zeros(3, *small.shape, dtype=torch.uint8), 256).shape == (3, extractor.width)


@small_ones
def test_a_copy_named_by_path_is_the_same_extractor(small: Small, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(small.weights.read_bytes())
    x = torch.randint(0, 256, (5, *small.shape)).to(torch.uint8)
    assert torch.equal(SmallExtractor(small, str(copy), CPU)(x, 256), extractor_of(small.name)(x, 256))


@given(st.data())
@settings(max_examples=20)
def test_damaged_weights_are_refused(data: st.DataObject) -> None:
    content = bytearray(DIGITS.weights.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "read_bytes", lambda _: bytes(content))
        with pytest.raises(ExtractorUnavailableError, match=r"digits: .* has sha256"):
            SmallExtractor(DIGITS, None, CPU)


def test_another_extractors_weights_are_refused_and_missing_ones_named(tmp_path: Path) -> None:
    with pytest.raises(ExtractorUnavailableError, match=r"fashion-mnist.* not the file that defines"):
        SmallExtractor(MNIST, str(ALL[2].weights), CPU)
    with pytest.raises(ExtractorUnavailableError, match="nowhere cannot be read: No such file"):
        SmallExtractor(MNIST, str(tmp_path / "nowhere"), CPU)
    with pytest.raises(ExtractorUnavailableError, match="cannot be read"):
        SmallExtractor(MNIST, str(tmp_path), CPU)


@given(st.sampled_from(ALL), st.tuples(*[st.integers(1, 32)] * 3))
def test_other_shapes_are_refused_naming_both(small: Small, shape: tuple[int, int, int]) -> None:
    if shape == small.shape:
        return
    with pytest.raises(UsageError) as caught:
        extractor_of(small.name)(torch.zeros(2, *shape, dtype=torch.uint8), 256)
    assert str(shape) in str(caught.value)
    assert str(small.shape) in str(caught.value)


@given(st.sampled_from(ALL), st.sampled_from([2, 4, 16, 18, 52, 86]), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_features_depend_on_brightness_not_on_the_number_of_levels(
    small: Small, levels: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, levels, (3, *small.shape), generator=generator)
    extractor = extractor_of(small.name)
    assert 255 % (levels - 1) == 0
    same = extractor((x * (255 // (levels - 1))).to(torch.uint8), 256)
    torch.testing.assert_close(extractor(x.to(torch.uint8), levels), same)


@given(st.sampled_from(ALL), st.integers(1, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_an_images_features_do_not_depend_on_its_batch(small: Small, rows: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (8, *small.shape), generator=generator).to(torch.uint8)
    extractor = extractor_of(small.name)
    torch.testing.assert_close(extractor(x, 256)[:rows], extractor(x[:rows], 256), rtol=1e-4, atol=1e-4)


def blurred(x: Tensor) -> Tensor:
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[None, None] / 16
    return F.conv2d(x.float(), kernel, padding=1).round().to(torch.uint8)


@small_ones
def test_fid_orders_images_as_eyes_do(small: Small, request: pytest.FixtureRequest) -> None:
    data = data_of(small.name, request)
    levels, test = data.image.levels, data.test
    assert test.labels is not None
    reference = data.train.images[:5000]
    extractor = extractor_of(small.name)
    features = extractor(reference, levels)
    assert (features.std(0) > 0.5).all()  # no unit is dead
    assert (features.std(0) < 2).all()
    worse = [
        test.images[:1000],
        blurred(test.images[:1000]),
        torch.randint(0, levels, test.images[:1000].shape).to(torch.uint8),
    ]
    scores = [
        fid.score(
            x,
            reference,
            levels,
            extractor,
            extractor_name=small.name,
            reference_name="train",
            temperature=1.0,
        )
        for x in worse
    ]
    for measure in ("fid", "fid_extrapolated", "kid"):
        real, soft, noise = (getattr(s, measure) for s in scores)
        assert soft > 4 * abs(real)
        assert noise > 30 * abs(real)
        assert noise > soft
    dropped = moments_of(extractor, test.images[test.labels < 5], levels)
    assert fid.frechet(dropped, fid.moments(features.double())) > 4 * scores[0].fid


def moments_of(extractor: SmallExtractor, images: Tensor, levels: int) -> fid.Moments:
    return fid.moments(extractor(images, levels).double())


def test_binarised_digits_are_at_home_in_the_mnist_extractor(request: pytest.FixtureRequest) -> None:
    data = data_of("mnist", request)
    extractor = extractor_of("mnist")
    grey = data.train.images[:4000]
    binary = torch.bernoulli(grey.float() / 255).to(torch.uint8)
    first, second = binary[:2000], binary[2000:]
    floor = fid.frechet(moments_of(extractor, first, 2), moments_of(extractor, second, 2))
    noise = torch.randint(0, 2, first.shape).to(torch.uint8)
    assert fid.frechet(moments_of(extractor, noise, 2), moments_of(extractor, second, 2)) > 100 * floor
    # the network was taught that both are the same digits
    assert fid.frechet(moments_of(extractor, grey, 256), moments_of(extractor, binary, 2)) < 1


def tiny(request: pytest.FixtureRequest) -> Split:
    data = data_of("digits", request)
    assert data.train.labels is not None
    return Split(data.train.images[:600], data.train.labels[:600])


@pytest.mark.parametrize("binarise", [False, True])
def test_training_is_repeatable_and_leaves_no_trace(binarise: bool, request: pytest.FixtureRequest) -> None:
    split = tiny(request)
    before = torch.get_rng_state()
    first, again, other = (
        train.fit(DIGITS, split, 17, epochs=1, binarise=binarise, seed=seed).state_dict()
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert safetensors.torch.save(first) == safetensors.torch.save(again)
    assert safetensors.torch.save(first) != safetensors.torch.save(other)


def test_training_script_learns_and_says_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(train.EPOCHS, "digits", 8)
    out = tmp_path / "new" / "digits.safetensors"
    result = CliRunner().invoke(train.main, ["digits", "--out", str(out)], catch_exceptions=False)
    accuracy, sha256 = (line.split()[-1] for line in result.output.splitlines())
    assert float(accuracy) > 0.5
    assert sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    with pytest.raises(ExtractorUnavailableError):  # another training is another extractor
        SmallExtractor(DIGITS, str(out), CPU)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    """A file of random weights in the place of the published one, and torch-fidelity's network with them."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    kind = theirs.FeatureExtractorInceptionV3
    with (
        patch.object(theirs, "load_state_dict_from_url"),
        patch.object(kind, "load_state_dict"),
    ):
        network = kind("random", ["2048"]).eval()
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    pinned(monkeypatch, path.read_bytes())
    return path, network


def pinned(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(content).hexdigest())


def test_inception_is_torch_fidelitys_on_8_bit_colours(published: tuple[Path, Any]) -> None:
    path, network = published
    extractor = inception.inception(str(path), CPU)
    grey = torch.randint(0, 16, (2, 1, 8, 8)).to(torch.uint8)
    colour = torch.randint(0, 256, (1, 3, 9, 7)).to(torch.uint8)
    assert extractor.width == 2048
    with torch.inference_mode():
        assert torch.equal(extractor(colour, 256), network(colour)[0])
        assert torch.equal(extractor(grey, 16), network((grey * 17).repeat(1, 3, 1, 1))[0])
    with pytest.raises(UsageError, match=r"\(1 or 3, height, width\), not \(2, 8, 8\)"):
        extractor(torch.zeros(1, 2, 8, 8, dtype=torch.uint8), 256)


def test_inception_without_weights_is_missing_and_says_how_to_mend_it() -> None:
    with pytest.raises(ExtractorUnavailableError) as caught:
        inception.inception(None, CPU)
    said = str(caught.value)
    assert "no network in tests" in said
    assert "--set extractor_weights=PATH" in said
    assert str(inception.cached()) in said
    assert inception.URL in said
    assert not inception.cached().exists()
    assert "\n" not in said


def test_the_pinned_hash_is_the_one_in_the_published_name() -> None:
    assert inception.URL.endswith(f"-{inception.SHA256[:8]}.pth")
    assert len(inception.SHA256) == 64


def test_a_wrong_file_is_refused_wherever_it_lies(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"wrong")
    with pytest.raises(ExtractorUnavailableError, match=r"wrong\.pth has sha256"):
        inception.inception(str(wrong), CPU)
    inception.cached().parent.mkdir(parents=True)
    inception.cached().write_bytes(b"wrong")
    with pytest.raises(ExtractorUnavailableError, match=r"6726825d\.pth has sha256"):
        inception.inception(None, CPU)


def test_a_download_is_kept_only_if_it_is_the_published_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "urlopen", lambda *_, **__: io.BytesIO(b"a log-in page"))
    with pytest.raises(ExtractorUnavailableError, match="has sha256"):
        inception.inception(None, CPU)
    assert not inception.cached().exists()
    pinned(monkeypatch, b"a log-in page")
    assert inception._fetched() == b"a log-in page"
    monkeypatch.setattr(inception, "urlopen", None)
    assert inception._fetched() == b"a log-in page"


class Shout:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('executed')",)


def test_nothing_in_a_weights_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"fc.weight": Shout()}, path)
    pinned(monkeypatch, path.read_bytes())
    with pytest.raises(pickle.UnpicklingError):
        inception.inception(str(path), CPU)
