"""The three parts, composed with built-in priors and likelihoods."""

import copy
import math
from pathlib import Path

import pytest
import torch
import vaebench_nvae
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench import registry
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import Context, Given, ImageShape, Infer, Prior, Progress
from vaebench.distributions import DiagonalNormal, Distribution, kl
from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.noise import ImageNoise, TorchNoise
from vaebench.requests import recipes
from vaebench.training.checkpoint import Checkpoint, load, save

KNOWN = registry.load()
PRIORS = [name for name in ("normal", "own", "vamp") if name in KNOWN.names("prior")]
MNIST = ImageShape(1, 28, 28, 2)
SMALL = "enc=nvae,enc.width=4,latent.z_channels=2,latent.expand=2,dec.width=4,dec.expand=2"

images = st.builds(
    ImageShape, st.integers(1, 4), st.integers(1, 30), st.integers(1, 30), st.sampled_from([3, 256])
)
groups = st.lists(st.integers(1, 2), min_size=1, max_size=3).map(lambda counts: ",".join(map(str, counts)))


def built(image: ImageShape, more: str = "") -> Vae:
    return resolve(parse(f"{SMALL}{more}"), KNOWN, image).build()


def integers(image: ImageShape, count: int) -> Tensor:
    return torch.randint(0, image.levels, (count, image.channels, image.height, image.width)).to(torch.uint8)


def noise(count: int) -> ImageNoise:
    return ImageNoise(0, torch.arange(count))


def train(model: Vae, x: Tensor, first: int, last: int) -> list[float]:
    """Steps of plain gradient descent, with the noise of their numbers."""
    model.train()
    losses = []
    for step in range(first, last):
        loss, _ = model.loss(x, ImageNoise(step, torch.arange(len(x))), Progress(10, 10))
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 1e-3 * p.grad
        model.after_step()
        losses.append(loss.item())
    return losses


class OwnRoot(Prior):
    """Leaves every group, the root too, to the latent layer."""

    def at(self, group: int, context: Context) -> Distribution | None:
        return None


@given(image=images, groups=groups, halvings=st.integers(0, 3))
@settings(max_examples=8)
def test_any_image_any_groups(image: ImageShape, groups: str, halvings: int) -> None:
    model = built(image, f",enc.groups={groups},enc.halvings={halvings}").eval()
    counts = [int(count) for count in groups.split(",")]
    assert len(model.latent.groups) == sum(counts) == len(model.encoder.levels)
    x = integers(image, 3)
    features = model.encoder(model.normalise(x))
    assert [tuple(f.shape[1:]) for f in features] == [tuple(level) for level in model.encoder.levels]
    scored = model(x, noise(3))
    assert scored.log_weights().isfinite().all()
    alone = model(x[:1], noise(1)).log_weights()
    assert torch.allclose(alone, scored.log_weights()[:, :1], rtol=1e-4, atol=1e-3)
    assert [term.z.shape[1:] for term in scored.terms] == [group.shape for group in model.latent.groups]
    assert model.sample(2, noise(2)).shape == (2, *x.shape[1:])


def test_the_published_mnist_layout() -> None:
    """28 padded to 32; ten groups of 8x8 under five of 4x4; channels double; the crop undoes the padding."""
    model = built(MNIST, ",enc.groups=10,5")
    assert [g.shape for g in model.latent.groups] == [(2, 4, 4)] * 5 + [(2, 8, 8)] * 10
    assert [level.channels for level in model.encoder.levels] == [16] * 10 + [32] * 5
    assert model.encoder.padding == (2, 2, 2, 2)
    assert model.decoder.corner == (2, 2)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("likelihood", ["bernoulli", "logistic-mixture"])
def test_gradient_reaches_every_parameter(prior: str, likelihood: str) -> None:
    image = ImageShape(1, 9, 9, 2 if likelihood == "bernoulli" else 17)
    model = built(image, f",prior={prior},lik={likelihood}")
    x = integers(image, 4)
    loss, _ = model.loss(x, TorchNoise(), Progress(5, 10))
    loss.backward()
    unreached = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not unreached
    # Biases before batch normalisation and gates at a kink aside, it is not zero either.
    zero = [n for n, p in model.named_parameters() if p.grad.abs().max() == 0 and "squeeze" not in n]
    assert not [n for n in zero if "moments" in n or "combine" in n or "start" in n]


@pytest.mark.parametrize("prior", PRIORS)
def test_training_lowers_the_loss(prior: str) -> None:
    model = built(MNIST, f",prior={prior}")
    losses = train(model, integers(MNIST, 8), 0, 6)
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]


def test_given_latents_reproduce_a_reconstruction() -> None:
    model = built(MNIST).eval()
    walk = model.infer(integers(MNIST, 3), noise(3))
    again = model.latent.walk(None, Given([term.z for term in walk.terms]), model.prior, noise(3), 3)
    assert all(torch.equal(a, b) for a, b in zip(walk.features, again.features, strict=True))
    for a, b in zip(walk.terms, again.terms, strict=True):
        assert torch.equal(a.p.log_prob(a.z), b.p.log_prob(a.z))


def test_the_root_posterior_is_the_first_of_a_walk() -> None:
    model = built(MNIST).eval()
    features = model.encoder(model.normalise(integers(MNIST, 3)))
    first = model.latent.walk(features, Infer(), model.prior, noise(3), 3).terms[0].q
    root = model.latent.root(features)
    assert isinstance(first, DiagonalNormal)
    assert isinstance(root, DiagonalNormal)
    assert torch.equal(root.location, first.location)
    assert torch.equal(root.log_std, first.log_std)


def test_an_open_root_is_the_published_one() -> None:
    model = built(MNIST).eval()
    p = model.latent.walk(None, Given([]), OwnRoot(), noise(2), 2).terms[0].p
    assert isinstance(p, DiagonalNormal)
    assert p.location.abs().max() == 0
    assert torch.allclose(p.log_std.exp(), torch.tensor(1.01))


def test_without_a_change_posteriors_are_priors() -> None:
    """The posterior is relative to the prior: where Δ = 0, only the root has a rate."""
    model = built(MNIST, ",enc.groups=2,2").eval()
    with torch.no_grad():
        for block in list(model.latent.blocks)[1:]:
            block.moments.parametrizations.weight.original0.zero_()
            block.moments.bias.zero_()
    terms = model.infer(integers(MNIST, 3), noise(3)).terms
    rates = [kl(term.q, term.p, term.z).abs().max().item() for term in terms]
    assert rates[0] > 0
    assert max(rates[1:]) == 0


def test_penalties_name_every_part_and_are_off_at_zero() -> None:
    model = built(MNIST)
    said = [part.penalties(Progress(0, 1)) for part in model.parts]
    assert sum("spectral" in s for s in said) == 4, "encoder, latent, decoder and head"
    off = built(MNIST, ",enc.regularisation=0,latent.regularisation=0,dec.regularisation=0")
    assert not any(part.penalties(Progress(0, 1)) for part in off.parts)


def test_saved_and_loaded_it_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    x = integers(MNIST, 4)
    model = built(MNIST)
    other = copy.deepcopy(model)
    through = train(model, x, 0, 4)
    first = train(other, x, 0, 2)
    save(tmp_path / "half", Checkpoint({"model": other.state_dict()}, {}))
    torch.manual_seed(7)
    resumed = built(MNIST)
    resumed.load_state_dict(load(tmp_path / "half").tensors["model"])
    assert first + train(resumed, x, 2, 4) == through
    assert all(torch.equal(v, resumed.state_dict()[k]) for k, v in model.state_dict().items())


def kept_bytes(model: Vae, x: Tensor) -> tuple[int, Tensor]:
    """What the graph of a loss holds on to, and the loss."""
    seen: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        seen[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss, _ = model.loss(x, noise(len(x)), Progress(10, 10))
    return sum(seen.values()), loss


@pytest.mark.parametrize("prior", PRIORS)
def test_recomputing_keeps_less_and_changes_nothing(prior: str) -> None:
    x = integers(MNIST, 8)
    plain = built(MNIST, f",prior={prior}")
    thrifty = copy.deepcopy(plain)
    for part in thrifty.parts:
        part.recompute = True
    (much, loss), (little, again) = kept_bytes(plain, x), kept_bytes(thrifty, x)
    assert little < 0.6 * much
    assert torch.equal(loss, again)
    loss.backward()
    again.backward()
    for a, b in zip(plain.parameters(), thrifty.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), thrifty.buffers(), strict=True))


def test_under_autocast_rates_are_float32_and_near() -> None:
    model = built(MNIST)
    x = integers(MNIST, 8)
    full, _ = model.loss(x, noise(8), Progress(5, 10))
    with torch.autocast("cpu", torch.bfloat16):
        half, scored = model.loss(x, noise(8), Progress(5, 10))
    half.backward()
    assert scored.kl().dtype == scored.distortion.dtype == torch.float32
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert abs(half.item() - full.item()) < 0.02 * abs(full.item())


def test_one_image_of_one_pixel_trains() -> None:
    """A coarsest map of one place, one image per step: batch normalisation has a single value."""
    image = ImageShape(1, 4, 4, 17)
    assert math.isfinite(train(built(image), integers(image, 1), 0, 2)[-1])


@pytest.mark.parametrize("said", ["", "0", "10,", "a", "5;5", "1,-1"])
def test_groups_that_are_none_are_refused_in_one_line(said: str) -> None:
    with pytest.raises(UsageError, match="groups") as refusal:
        built(MNIST, f",enc.groups={said}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("encoder", ["mlp", "conv", "resnet"])
def test_other_encoders_give_it_their_maps(encoder: str) -> None:
    spec = f"enc={encoder},enc.width=8,latent=nvae,latent.z_channels=2,latent.expand=2,dec=conv"
    spec = spec.replace("enc.width=8", "enc.hidden=8") if encoder == "mlp" else spec
    model = resolve(parse(spec), KNOWN, MNIST).build().eval()
    assert len(model.latent.groups) == len(model.encoder.levels)
    assert model(integers(MNIST, 2), noise(2)).log_weights().isfinite().all()


@pytest.mark.parametrize("latent", ["gaussian", "topdown"])
def test_other_latents_read_its_maps(latent: str) -> None:
    model = resolve(parse(f"enc=nvae,enc.width=4,latent={latent}"), KNOWN, MNIST).build().eval()
    assert model(integers(MNIST, 2), noise(2)).log_weights().isfinite().all()


RECIPES = sorted((Path(vaebench_nvae.__file__).parent / "recipes").glob("*.toml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_resolve(recipe: Path) -> None:
    plan = recipes.read(recipe)
    plan.check_names(KNOWN)
    assert plan.compose is not None
    assert plan.data is not None
    image = ImageShape(3, 32, 32) if plan.data.name == "cifar10" else MNIST
    found = resolve(plan.compose, KNOWN, image)
    assert {"nvae"} == {found.chosen[slot].registered.entry.name for slot in ("enc", "latent", "dec")}
