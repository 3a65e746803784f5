"""Every registered component, by being registered: builds, trains, scores and samples at any image size."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench import registry
from vaebench.compose import Composition, resolve
from vaebench.contracts import ImageShape, Part
from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.noise import ImageNoise
from vaebench.parameters import parameters_of
from vaebench.spec import SLOTS, Choice, Spec
from vaebench.training.checkpoint import weights_sha256

KNOWN = registry.load()
IMAGES = [
    ImageShape(1, 8, 8, 17),
    ImageShape(1, 28, 28, 2),
    ImageShape(3, 32, 32, 256),
    ImageShape(3, 64, 64, 32),
    ImageShape(2, 7, 11, 5),
    ImageShape(1, 1, 1, 2),
]
SMALL = {"width": "8", "hidden": "8", "dim": "3", "z_channels": "2", "components": "2"}


def small(names: dict[str, str]) -> Spec:
    """The spec of these names, each part's sizes turned down so that a test is quick."""
    choices = {}
    for slot, name in names.items():
        known = parameters_of(KNOWN.resolve(SLOTS[slot], name))
        choices[slot] = Choice(name, {k: v for k, v in SMALL.items() if k in known})
    return Spec(choices)


def composed(names: dict[str, str], image: ImageShape) -> Composition | None:
    """All six parts, small; None where the named ones do not fit each other or the image."""
    try:
        whole = resolve(small(names), KNOWN, image)
    except UsageError as error:
        said = str(error)
        if "\n" in said or not ("does not fit" in said or "data; these are" in said):
            raise
        return None
    return resolve(small({s: c.registered.entry.name for s, c in whole.chosen.items()}), KNOWN, image)


def integers(image: ImageShape, count: int) -> torch.Tensor:
    return torch.randint(0, image.levels, (count, image.channels, image.height, image.width)).to(torch.uint8)


def noise(count: int) -> ImageNoise:
    return ImageNoise(0, torch.arange(count))


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize(
    ("kind", "name"), [(s, n) for s, kind in SLOTS.items() for n in KNOWN.names(kind)], ids=str
)
def test_a_part_works_at_any_size_and_keeps_its_promises(kind: str, name: str, image: ImageShape) -> None:
    found = composed({kind: name}, image)
    if found is None:
        return
    torch.manual_seed(0)
    model = found.build().eval()
    x = integers(image, 3)
    scored = model(x, noise(3))
    assert scored.log_weights().isfinite().all()
    before = weights_sha256(model.state_dict())
    assert torch.equal(model(x, noise(3)).log_weights(), scored.log_weights()), "deterministic under a seed"
    alone = model(x[:1], noise(1)).log_weights()
    assert torch.allclose(alone, scored.log_weights()[:, :1], rtol=1e-4, atol=1e-3), "works at batch 1"
    drawn = model.sample(2, noise(2))
    assert drawn.shape == (2, *x.shape[1:])
    assert 0 <= drawn.min() <= drawn.max() < image.levels
    assert weights_sha256(model.state_dict()) == before, "evaluation has no side effects"

    torch.manual_seed(1)
    other = found.build().eval()
    assert weights_sha256(other.state_dict()) != before
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x, noise(3)).log_weights(), scored.log_weights()), "state is all there is"

    double = copy.deepcopy(model).double()(x, noise(3)).log_weights()
    assert torch.allclose(double.float(), scored.log_weights(), rtol=1e-3, atol=1e-2), "float32 agrees"


def test_parts_say_what_they_are() -> None:
    for slot, kind in SLOTS.items():
        for name in KNOWN.names(kind):
            part = KNOWN.resolve(kind, name)
            assert issubclass(part, Part)
            assert part.__doc__
            for needed, words in part.needs.items():
                assert needed in (*SLOTS, "data"), f"{name} needs {words} of {needed}"
            for suggested, other in part.suggests.items():
                assert other in KNOWN.names(SLOTS[suggested])
            for parameter in parameters_of(part).values():
                assert parameter.meaning, f"{slot}={name}: {parameter.name} says what it means"


@given(
    st.fixed_dictionaries({}, optional={s: st.sampled_from(KNOWN.names(k)) for s, k in SLOTS.items()}),
    st.sampled_from(IMAGES),
)
@settings(max_examples=60)
def test_the_canonical_text_is_an_identity(names: dict[str, str], image: ImageShape) -> None:
    if not names:
        return
    found = composed(names, image)
    if found is None:
        return
    assert set(found.spec.choices) == set(SLOTS)
    again = resolve(found.spec, KNOWN, image)
    assert again.spec == found.spec
    assert {s: dict(c.parameters) for s, c in again.chosen.items()} == {
        s: dict(c.parameters) for s, c in found.chosen.items()
    }
    spelled = Spec(
        {
            s: Choice(c.registered.entry.name, {k: str(v).lower() for k, v in c.parameters.items()})
            for s, c in found.chosen.items()
        }
    )
    assert resolve(spelled, KNOWN, image).spec == found.spec, "a default said aloud is still the default"


def test_a_vector_of_shapes_in_one_model() -> None:
    """A vector latent through a convolutional decoder, and a map through a dense one."""
    image = ImageShape(3, 9, 5, 256)
    for names in ({"enc": "mlp", "dec": "conv"}, {"enc": "conv", "latent": "gaussian", "dec": "mlp"}):
        found = composed(names, image)
        assert found is not None
        model: Vae = found.build().eval()
        assert model.sample(2, noise(2)).shape == (2, 3, 9, 5)
