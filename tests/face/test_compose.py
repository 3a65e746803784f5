"""``vb.compose``: texts, tables and classes mean the same; what does not fit is one line."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vaebench as vb
from vaebench.composing.spec import parse
from vaebench.encoders.mlp import Mlp
from vaebench.errors import UsageError, VaebenchError

from .conftest import TINY
from .own import Abstract, MyEncoder, NeedsCodes, NeedsNonsense, Unannotated

SLOTS = {
    "encoder": ("enc", {"name": "mlp", "hidden": 8}),
    "latent": ("latent", {"name": "gaussian", "dim": 2}),
    "prior": ("prior", {"name": "mog"}),
    "decoder": ("dec", {"name": "mlp", "hidden": 8}),
    "likelihood": ("lik", {"name": "categorical"}),
    "objective": ("obj", {"name": "beta", "beta": 0.5}),
}


def test_the_repr_shows_the_canonical_text() -> None:
    model = vb.compose(TINY)
    assert str(parse(model.spec)) == model.spec
    assert model.spec in repr(model)


@given(alone=st.sets(st.sampled_from(sorted(SLOTS))), as_text=st.booleans(), seed=st.integers(0, 2**62))
def test_slots_mean_the_same_wherever_they_are_given(alone: set[str], as_text: bool, seed: int) -> None:
    """In one text, in a table or each by itself: one spec and the same initial weights."""

    def text(slot: str, table: dict) -> str:
        return ",".join([table["name"], *(f"{slot}.{n}={v}" for n, v in table.items() if n != "name")])

    whole = {slot: table for kind, (slot, table) in SLOTS.items() if kind not in alone}
    one_text = ",".join(f"{slot}={text(slot, table)}" for slot, table in whole.items())
    own = {kind: text(*SLOTS[kind]) if as_text else SLOTS[kind][1] for kind in alone}
    first = vb.compose((one_text if as_text else whole) or None, **own, seed=seed)
    second = vb.compose(",".join(f"{slot}={text(slot, table)}" for slot, table in SLOTS.values()), seed=seed)
    assert first.spec == second.spec
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_weights_are_those_of_the_seed_and_torch_draws_on_as_before() -> None:
    before = torch.random.get_rng_state()
    first, same, other = vb.compose(TINY, seed=1), vb.compose(TINY, seed=1), vb.compose(TINY, seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    names = [n for n, p in first.named_parameters() if p.requires_grad and p.dim() > 1]
    assert all(torch.equal(first.state_dict()[n], same.state_dict()[n]) for n in names)
    assert not all(torch.equal(first.state_dict()[n], other.state_dict()[n]) for n in names)


def test_a_class_that_a_plugin_registers_is_that_component() -> None:
    assert vb.compose(encoder=Mlp, latent="gaussian").spec == vb.compose("enc=mlp,latent=gaussian").spec


def test_a_class_of_ones_own_takes_its_parameters_and_its_place() -> None:
    model = vb.compose(encoder={"name": MyEncoder, "width": 7}, latent="gaussian")
    assert model.encoder.linear.out_features == 7
    assert re.match(r"enc=unregistered-my-encoder-[0-9a-f]{10},enc\.width=7,latent=gaussian,", model.spec)
    table = vb.compose({"enc": {"name": MyEncoder, "width": 7}, "latent": "gaussian"})
    assert table.spec == model.spec


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "nothing is composed"),
        ({"spec": TINY, "encoder": "mlp"}, "enc is given twice: enc=mlp,enc.hidden=8 and mlp"),
        ({"encoder": "mlpp"}, "there is no encoder mlpp.*did you mean mlp"),
        ({"encoder": "mlp,latent.dim=3"}, "encoder=mlp,latent.dim=3: latent is another slot"),
        ({"encoder": 3}, "encoder=3: a name, a class, or a table"),
        ({"encoder": dict}, "dict cannot be used as encoder: Encoder is expected"),
        ({"prior": MyEncoder}, "MyEncoder cannot be used as prior: Prior is expected.*kind encoder"),
        ({"encoder": Abstract}, "Abstract does not define forward"),
        ({"encoder": Unannotated}, "parameter width of Unannotated"),
        ({"encoder": NeedsNonsense}, r"NeedsNonsense.needs: there is no slot decoder"),
        ({"encoder": NeedsCodes, "latent": "gaussian"}, "does not fit latent=gaussian: it needs codes"),
        ({"encoder": {"name": MyEncoder, "widht": 3}}, r"enc\.widht.*did you mean width"),
        ({"encoder": {"name": MyEncoder, "width": 0}}, r"enc\.width=0: an integer >= 1"),
        ({"encoder": "mlp", "data": "digitz"}, "there is no dataset digitz.*did you mean digits"),
        ({"encoder": "mlp", "data": 3}, "data: the name of a data set or a vb.Dataset is expected, not int"),
        ({"encoder": "mlp", "bacth": 3}, "unknown setting bacth.*did you mean batch"),
        ({"encoder": "mlp", "batch": 0}, "batch=0: an integer >= 1"),
        ({"spec": {"encodr": "mlp"}}, "there is no slot encodr.*did you mean encoder"),
    ],
)
def test_what_does_not_fit_is_one_line(given: dict, line: str) -> None:
    with pytest.raises(VaebenchError, match=line) as caught:
        vb.compose(**given)
    assert "\n" not in str(caught.value)


def test_images_in_memory_are_checked_and_get_the_checksum_that_they_have() -> None:
    x = torch.randint(4, (9, 1, 8, 8))
    split = vb.Split(x.to(torch.uint8), torch.arange(9) % 3)
    image = vb.ImageShape(1, 8, 8, 4)
    data = vb.Dataset("mine", image, split, split, split, checksum="")
    model = vb.compose(TINY, data=data)
    assert model.image == image
    assert len(vb.encode(model, split="train")) == 9
    for wrong, line in (
        (split._replace(images=x[:, :, :4].to(torch.uint8)), "mine, split test of shape"),
        (split._replace(images=x.float()), "mine, split test of type float32"),
        (split._replace(images=split.images + 4), "mine, split test have values"),
        (split._replace(images=split.images[:0]), "mine, split test: none were given"),
        (split._replace(labels=torch.arange(4)), "4 labels were given for 9 images"),
    ):
        with pytest.raises(UsageError, match=line):
            vb.compose(TINY, data=vb.Dataset("mine", image, split, split, wrong, checksum=""))
