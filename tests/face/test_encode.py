"""``vb.encode`` and ``vb.export``: latents as arrays and as programs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vaebench as vb
from tests.command import call
from vaebench import registry
from vaebench.contracts import Infer
from vaebench.errors import UsageError
from vaebench.noise import GivenNoise

from .conftest import TINY

SPECS = {
    "flat": TINY,
    "hierarchy": "enc=resnet,enc.width=4,latent=topdown,latent.blocks=2x1,4m2,latent.z_channels=2",
    "codes": "enc=conv,enc.width=4,latent=ema-vq,latent.codes=5,latent.dim=3,prior=pixelcnn,prior.width=4",
    "grids": "enc=conv,enc.width=4,enc.smallest=1,latent=vq,latent.levels=2,latent.codes=5,prior=uniform",
    "vamp": "enc=mlp,latent=gaussian,prior=vamp,prior.components=3",
}
PLUGIN = "enc=nvae,latent=nvae,dec=nvae"
IMAGES = torch.randint(17, (6, 1, 8, 8), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_latents_are_what_the_posterior_gives_without_noise(spec: str) -> None:
    """Reals: the walk whose noise is zero; codes: any walk."""
    model = vb.compose(spec)
    latents = vb.encode(model, IMAGES)
    with model.evaluating(), torch.inference_mode():
        zeros = [torch.zeros(6, *g.shape) for g in model.latent.groups if g.codes is None]
        walk = model.latent.walk(
            model.encoder(model.normalise(IMAGES)), Infer(), model.prior, GivenNoise(zeros), len(IMAGES)
        )
    assert list(latents.groups) == [g.name for g in model.latent.groups]
    for number, (term, group) in enumerate(zip(walk.terms, model.latent.groups, strict=True)):
        assert latents[number].dtype == (np.float32 if group.codes is None else np.int64)
        assert latents[number] is latents[group.name]
        np.testing.assert_allclose(latents[number], term.z.numpy(), rtol=1e-5, atol=1e-6)
    assert latents.flat.shape == (6, sum(int(np.prod(g.shape)) for g in model.latent.groups))


@given(
    dtype=st.sampled_from([np.uint8, np.int32, np.int64, np.uint16, np.int8]),
    as_tensor=st.booleans(),
    count=st.integers(1, 5),
)
def test_integers_of_any_type_are_images(dtype: type, as_tensor: bool, count: int) -> None:
    model, x = MODEL, IMAGES[:count].numpy().astype(dtype)
    given = torch.from_numpy(x) if as_tensor else x
    np.testing.assert_array_equal(vb.encode(model, given)[0], vb.encode(model, IMAGES[:count])[0])


MODEL = vb.compose(TINY)


@pytest.mark.parametrize(
    ("x", "line"),
    [
        (IMAGES.float() / 16, "images of type float32 were given where integers 0 .. 16 are expected"),
        (IMAGES.numpy() / 16.0, "images of type float64 were given"),
        (IMAGES[0], r"images of shape \(1, 8, 8\) were given where \(N, 1, 8, 8\) is expected"),
        (IMAGES[:, 0], r"images of shape \(6, 8, 8\)"),
        (IMAGES.expand(6, 3, 8, 8), r"images of shape \(6, 3, 8, 8\)"),
        (IMAGES[:0], "images: none were given"),
        (IMAGES + 1, r"images have values 1 .. 17 where 0 .. 16 are expected"),
        (IMAGES - 1, r"images have values -1"),
        ("digits,levels=2", "the model is made for images of 1x8x8, 17 levels"),
        (3, "data: the name of a data set"),
    ],
)
def test_what_is_no_image_is_one_line(x: object, line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        vb.encode(MODEL, x)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_splits_bring_their_labels_names_and_classes(finished: Path, tmp_path: Path) -> None:
    run = vb.load(finished)
    latents = run.encode(split="validation")
    assert latents.labels is not None
    assert torch.equal(torch.from_numpy(latents.labels), run.data.validation.labels)
    assert latents.names == ()
    names = tuple(f"{n}.png" for n in range(len(run.data.test.images)))
    named = vb.encode(run, replace(run.data, names={"test": names}))
    assert named.names == names
    named.save(tmp_path / "named.npz")
    assert list(np.load(tmp_path / "named.npz")["names"]) == list(names)
    with pytest.raises(UsageError, match="split=tset: train, validation or test is expected"):
        run.encode(split="tset")


def test_the_command_writes_what_python_gives(finished: Path, tmp_path: Path) -> None:
    assert call("encode", finished, "--out", tmp_path / "latents.npz", "--split", "train") == 0
    latents, file = vb.encode(vb.load(finished), split="train"), np.load(tmp_path / "latents.npz")
    assert set(file) == {"latents/z", "labels"}
    np.testing.assert_array_equal(file["latents/z"], latents["z"])
    np.testing.assert_array_equal(file["labels"], latents.labels)
    assert call("encode", finished, "--out", tmp_path / "x.npz", "--data", "digits,levels=2") == 2
    assert not (tmp_path / "x.npz").exists()


def test_a_model_without_latents_is_refused(tmp_path: Path) -> None:
    model = vb.compose("enc=none,latent=none,dec=pixelcnn,dec.width=4")
    with pytest.raises(UsageError, match="no latents"):
        vb.encode(model, IMAGES)
    with pytest.raises(UsageError, match="no latents"):
        vb.export(model, tmp_path)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_programs_give_what_the_model_gives_for_any_batch(spec: str, tmp_path: Path) -> None:
    model = vb.compose(spec)
    extra = {"vaebench.json": ""}
    encoder, decoder = (torch.export.load(p, extra_files=extra).module() for p in vb.export(model, tmp_path))
    about = json.loads(extra["vaebench.json"])
    assert about["composition"] == model.spec
    assert [g["name"] for g in about["groups"]] == [g.name for g in model.latent.groups]
    assert all(module.training for module in model.modules())
    for count in (1, 2, 3, 300):
        x = torch.randint(17, (count, 1, 8, 8))
        latents = vb.encode(model, x)
        z = encoder(x)
        for ours, theirs in zip(latents.groups.values(), z, strict=True):
            np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=1e-4, atol=1e-5)
        with model.evaluating(), torch.inference_mode():
            from vaebench.contracts import Given

            walk = model.latent.walk(None, Given(z), model.prior, GivenNoise([]), count)
            mean = model.decoder.mean(walk.features, model.output, GivenNoise([]))
        torch.testing.assert_close(decoder(z).detach(), mean, rtol=1e-4, atol=1e-3)


def test_a_decoder_that_draws_its_mean_is_refused(tmp_path: Path) -> None:
    model = vb.compose("enc=mlp,latent=gaussian,dec=pixelcnn,dec.width=4,dec.layers=1")
    with pytest.raises(UsageError, match="decoder=pixelcnn cannot be exported: it draws what it gives"):
        vb.export(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_exports_a_run(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("export", finished, "--out", tmp_path / "programs") == 0
    paths = capsys.readouterr().out.split()
    assert [Path(p).name for p in paths] == ["encoder.pt2", "decoder.pt2"]
    (z,) = torch.export.load(paths[0]).module()(IMAGES)
    np.testing.assert_allclose(
        z.detach().numpy(), vb.load(finished).encode(IMAGES)["z"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_a_model_that_asks_for_the_length_of_its_batch_is_exported(tmp_path: Path) -> None:
    if "nvae" not in registry.load().names("latent"):
        pytest.skip("the plugin vaebench-nvae is not installed")
    encoder, decoder = (torch.export.load(p).module() for p in vb.export(vb.compose(PLUGIN), tmp_path))
    assert decoder(encoder(IMAGES[:5])).shape == (5, 1, 8, 8)
