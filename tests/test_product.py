"""The product of all parts on the digits: each builds or is refused in one line, and a cover of it trains."""

import itertools
from collections.abc import Iterator

import pytest
import torch

from tests.composing.test_components import KNOWN, SMALL, composed, integers
from vaebench.composing.parameters import parameters_of
from vaebench.composing.resolve import Composition, resolve
from vaebench.composing.slots import SLOTS
from vaebench.composing.spec import Choice, Spec
from vaebench.contracts import ImageShape, Progress
from vaebench.errors import UsageError
from vaebench.noise import TorchNoise

IMAGES = [ImageShape(1, 8, 8, 17), ImageShape(1, 8, 8, 2)]
Names = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


def product() -> Iterator[Names]:
    for names in itertools.product(*(KNOWN.names(kind) for kind in SLOTS.values())):
        yield dict(zip(SLOTS, names, strict=True))


def chosen(names: Names) -> Spec:
    choices = {}
    for slot, name in names.items():
        known = parameters_of(KNOWN.resolve(SLOTS[slot], name))
        choices[slot] = Choice(name, {k: v for k, v in SMALL.items() if k in known})
    return Spec(choices)


def pairs(names: Names) -> set[Pair]:
    return set(itertools.combinations(names.items(), 2))


@pytest.fixture(scope="module")
def valid() -> list[tuple[Names, Composition]]:
    """All that fit; every refusal is one line that names two slots, or a slot and the data."""
    found = []
    for names in product():
        image = IMAGES[names["lik"] == "bernoulli"]
        try:
            found.append((names, resolve(chosen(names), KNOWN, image)))
        except UsageError as error:
            said = str(error)
            assert "\n" not in said
            assert "does not fit" in said or "data; these are" in said, said
    return found


def test_what_fits_builds(valid: list[tuple[Names, Composition]]) -> None:
    """One of each set of parts but for the objective, which asks nothing of the rest."""
    built = {tuple(n for s, n in names.items() if s != "obj"): whole for names, whole in valid}
    assert len(built) > 50
    for whole in built.values():
        whole.build()


def test_a_cover_of_all_pairs_trains(valid: list[tuple[Names, Composition]]) -> None:
    left = set().union(*(pairs(names) for names, _ in valid))
    trained = 0
    while left:
        names, whole = max(valid, key=lambda one: len(pairs(one[0]) & left))
        left -= pairs(names)
        trained += 1
        train(names, whole)
    assert trained < len(valid)


def train(names: Names, whole: Composition) -> None:
    model = whole.build()
    model.begin(integers(whole.image, 20), None)
    rule = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = integers(whole.image, 4)
    for step in range(2):
        loss, _ = model.loss(x, TorchNoise(), Progress(step + 1, 2))
        rule.zero_grad()
        loss.backward()
        rule.step()
        model.after_step()
    assert loss.isfinite(), names
    unreached = [n for n, p in model.named_parameters() if p.grad is None]
    assert not unreached, f"{names}: no gradient for {unreached}"
    assert all(p.isfinite().all() for p in model.parameters()), names


def test_an_open_slot_gets_a_part_that_fits_wherever_one_does(
    valid: list[tuple[Names, Composition]],
) -> None:
    for a, b in sorted(set().union(*(pairs(names) for names, _ in valid))):
        named = dict([a, b])
        assert composed(named, IMAGES[named.get("lik") == "bernoulli"]), f"{a} and {b} compose with something"
