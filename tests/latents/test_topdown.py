"""The top-down layer against the very deep VAE's reference vectors, and its layer strings."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from vaebench.contracts import Context, Generate, Given, ImageShape, Infer, Level, Prior
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.errors import UsageError
from vaebench.latents import layout
from vaebench.latents.topdown import TopDown
from vaebench.likelihoods.logistic_mixture import LogisticMixture
from vaebench.maths import gaussian
from vaebench.noise import GivenNoise, TorchNoise
from vaebench.priors.normal import Normal


class OwnRoot(Prior):
    """Leaves every group, the root too, to the layer's own conditional, as the very deep VAE does."""

    def at(self, group: int, context: Context) -> Distribution | None:
        return None


Golden = tuple[dict[str, Any], dict[str, Tensor]]


@pytest.fixture(params=["vdvae_tiny", "vdvae_mapped"])
def golden(request: pytest.FixtureRequest) -> Golden:
    folder = os.environ.get("VAEBENCH_GOLDEN") or Path(__file__).parents[3] / "shared" / "golden"
    path = Path(folder) / f"{request.param}.safetensors"
    if not path.exists():
        pytest.skip(f"no reference vectors at {path}: set VAEBENCH_GOLDEN")
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["config"]), {key: file.get_tensor(key) for key in list(file.keys())}


def bottleneck(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    """Child's block, residual, from named weights: 1-3-3-1 (or 1-1-1-1) with GELU before each."""
    h = x
    for layer in ("c1", "c2", "c3", "c4"):
        w = weights[f"{name}.{layer}.weight"]
        h = F.conv2d(F.gelu(h), w, weights[f"{name}.{layer}.bias"], padding=w.shape[-1] // 2)
    return x + h


def encoder_maps(config: dict[str, Any], weights: dict[str, Tensor], x: Tensor) -> dict[int, Tensor]:
    """The reference encoder: its last map of each height, channels padded to the height's width."""
    custom = dict(tuple(map(int, pair.split(":"))) for pair in config["custom_width_str"].split(",") if pair)
    steps = []
    for piece in config["enc_blocks"].split(","):
        if "d" in piece:
            steps.append(int(piece.split("d")[1]))
        else:
            steps += [1] * int(piece.split("x")[1])
    x = F.conv2d(x, weights["encoder.in_conv.weight"], weights["encoder.in_conv.bias"], padding=1)
    maps = {x.shape[2]: x}
    for i, rate in enumerate(steps):
        x = bottleneck(x, weights, f"encoder.enc_blocks.{i}")
        x = F.avg_pool2d(x, rate) if rate > 1 else x
        width = custom.get(x.shape[2], config["width"])
        x = F.pad(x, (0, 0, 0, 0, 0, width - x.shape[1])) if width > x.shape[1] else x
        maps[x.shape[2]] = x
    return maps


def loaded(config: dict[str, Any], weights: dict[str, Tensor], maps: dict[int, Tensor]) -> TopDown:
    """The layer with the reference's weights."""
    levels = tuple(Level(*m.shape[1:]) for _, m in sorted(maps.items(), reverse=True))
    layer = TopDown(
        levels,
        ImageShape(3, config["image_size"], config["image_size"]),
        blocks=config["dec_blocks"],
        z_channels=config["zdim"],
        bottleneck=config["bottleneck_multiple"],
        no_bias_above=config["no_bias_above"],
    ).double()
    names = {"enc": "posterior", "prior": "prior", "z_proj": "z_proj", "resnet": "residual"}
    state = {}
    for key, value in weights.items():
        if key.startswith("decoder.dec_blocks."):
            index, part, rest = key.removeprefix("decoder.dec_blocks.").split(".", 2)
            state[f"blocks.{index}.{names[part]}.{rest}"] = value
    for key, value in weights.items():
        if key.startswith("decoder.bias_xs."):
            state[f"start.{value.shape[2]}"] = value
    layer.load_state_dict(state)
    return layer


def test_reference_vectors_of_the_very_deep_vae(golden: Golden) -> None:
    """Latents, every KL, last state, logits, NLL, rate and ELBO to 1e-10; draws at temperature 0.8."""
    config, file = golden
    weights = {k.removeprefix("param/"): v for k, v in file.items() if k.startswith("param/")}
    maps = encoder_maps(config, weights, file["x_nhwc"].permute(0, 3, 1, 2))
    layer = loaded(config, weights, maps)
    features = tuple(m for _, m in sorted(maps.items(), reverse=True))
    count = len(layer.groups)
    noise = GivenNoise([file[f"posterior/{i}/eps"] for i in range(count)])
    walk = layer.walk(features, Infer(), OwnRoot(), noise, len(features[0]))
    rate = torch.zeros(len(features[0]), dtype=torch.float64)
    for i, term in enumerate(walk.terms):
        assert isinstance(term.q, DiagonalNormal)
        assert isinstance(term.p, DiagonalNormal)
        kl = gaussian.kl(term.q.location, term.q.log_std, term.p.location, term.p.log_std)
        close(term.z, file[f"posterior/{i}/z"])
        close(kl, file[f"posterior/{i}/kl"])
        rate += kl.flatten(1).sum(1)

    gain, bias = weights["decoder.gain"], weights["decoder.bias"]
    last = gain * walk.features[0] + bias
    close(last, file["px_z"])
    logits = F.conv2d(
        last, weights["decoder.out_net.out_conv.weight"], weights["decoder.out_net.out_conv.bias"]
    )
    close(logits, file["logits_nhwc"].permute(0, 3, 1, 2))
    image = ImageShape(3, config["image_size"], config["image_size"])
    x = ((file["target_nhwc"].permute(0, 3, 1, 2) + 1) * 127.5).round().long()
    nll = -LogisticMixture(image, components=config["num_mixtures"]).log_prob(logits, x)
    close(nll / image.dims, file["nll_per_dim"])
    close(rate / image.dims, file["rate_per_dim"])
    close((nll + rate) / image.dims, file["elbo_loss_per_dim"])

    noise = GivenNoise([file[f"prior/{i}/eps"] for i in range(count)])
    drawn = layer.walk(None, Generate(0.8), OwnRoot(), noise, len(file["prior/px_z"]))
    close(gain * drawn.features[0] + bias, file["prior/px_z"])


def close(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() < 1e-10


LEVELS = (Level(6, 8, 8), Level(5, 4, 4), Level(4, 2, 2), Level(3, 1, 1))


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=4, max_size=4), st.integers(1, 4))
def test_any_layout_walks_and_its_rates_add_up(plan: list[tuple[int, bool]], start: int) -> None:
    heights = [1, 2, 4, 8][-start:]
    text = f"{heights[0]}x{plan[0][0]}"
    for coarser, height, (count, _) in zip(heights, heights[1:], plan[1:], strict=False):
        text += f",{height}m{coarser},{height}x{count}"
    layer = TopDown(LEVELS, ImageShape(1, 8, 8), blocks=text, z_channels=2).double()
    prior = Normal(layer.groups, ImageShape(1, 8, 8)).double()
    features = tuple(torch.randn(3, *level, dtype=torch.float64) for level in LEVELS)
    walk = layer.walk(features, Infer(), prior, TorchNoise(), 3)
    assert [t.z.shape[2] for t in walk.terms] == [b.side for b in layout.parse(text)]
    assert walk.features[0].shape == (3, *layer.out[0])
    assert layer.out[0].height == 8
    assert torch.equal(walk.terms[0].q.mean, layer.root(features).mean)
    given_back = layer.walk(None, Given([t.z for t in walk.terms]), prior, TorchNoise(), 3)
    assert torch.allclose(given_back.features[0], walk.features[0])


def test_temperature_zero_is_the_prior_means_and_one_is_the_prior() -> None:
    layer = TopDown(LEVELS, ImageShape(1, 8, 8), z_channels=2).double()
    prior = Normal(layer.groups, ImageShape(1, 8, 8)).double()
    cold = [layer.walk(None, Generate(0.0), prior, TorchNoise(), 2) for _ in range(2)]
    assert torch.equal(cold[0].features[0], cold[1].features[0])
    for term in cold[0].terms:
        assert torch.equal(term.z, term.p.mean)
    eps = [torch.randn(2, *g.shape, dtype=torch.float64) for g in layer.groups]
    warm = layer.walk(None, Generate(1.0), prior, GivenNoise(eps), 2)
    for term, e in zip(warm.terms, eps, strict=True):
        assert torch.allclose(term.z, term.p.location + term.p.log_std.exp() * e)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ("1x2,8q1", "'8q1' is neither"),
        ("0", "'1x0' is neither"),
        ("4x1,2m4", "mixes in side 4, which is not a coarser one"),
        ("1x1,8m4", "mixes in side 4, which is not a coarser one before it"),
        ("1x1,16m1", r"no encoder map of side 16; it has \[8, 4, 2, 1\]"),
        ("", "'' is neither"),
    ],
)
def test_wrong_layouts_are_refused_in_one_line(blocks: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TopDown(LEVELS, ImageShape(1, 8, 8), blocks=blocks)
