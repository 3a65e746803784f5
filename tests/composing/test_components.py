"""Every registered component at the sizes of real images, and every pair; its laws: ``tests/testing``."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench import registry
from vaebench.composing.parameters import parameters_of
from vaebench.composing.resolve import Composition, resolve
from vaebench.composing.slots import SLOTS
from vaebench.composing.spec import Choice, Spec
from vaebench.contracts import ImageShape
from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.noise import ImageNoise

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
def test_a_part_works_at_the_sizes_of_real_images(kind: str, name: str, image: ImageShape) -> None:
    found = composed({kind: name}, image)
    if found is None:
        return
    torch.manual_seed(0)
    model = found.build().eval()
    x = integers(image, 3)
    assert model(x, noise(3)).log_weights().isfinite().all()
    drawn = model.sample(2, noise(2))
    assert drawn.shape == (2, *x.shape[1:])
    assert 0 <= drawn.min() <= drawn.max() < image.levels


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
