"""Every registered objective, by being registered."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench import registry
from vaebench.contracts import Group, Objective, Progress, Scored

from .batches import CODES, GROUPS, IMAGE, codes, nothing, reals

KNOWN = registry.load()
NAMES = KNOWN.names("objective")


def made(name: str, groups: tuple[Group, ...]) -> Objective:
    return KNOWN.resolve("objective", name)(groups, IMAGE)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 1000), steps=st.lists(st.integers(0, 50), min_size=1, max_size=6))
@settings(max_examples=25)
def test_the_loss_is_a_function_of_terms_and_progress(name: str, seed: int, steps: list[int]) -> None:
    """Whatever was asked before, so that a resumed run goes on as if it had not stopped."""
    one = made(name, GROUPS)
    batch = reals(seed, one.samples)
    used = [one(batch, Progress(step, 50)) for step in steps]
    for step, loss in zip(steps, used, strict=True):
        assert loss.shape == (4,)
        assert torch.equal(made(name, GROUPS)(reals(seed, one.samples), Progress(step, 50)), loss)
    assert not one.state_dict()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("groups", "batch"), [(CODES, codes), ((), nothing)], ids=["codes", "no latents"])
@pytest.mark.parametrize("step", [0, 3, 10])
def test_codes_and_no_latents_have_a_loss(name: str, groups: tuple[Group, ...], batch, step: int) -> None:  # type: ignore[no-untyped-def]
    scored: Scored = batch(0)
    loss = made(name, groups)(scored, Progress(step, 10))
    assert loss.shape == (4,)
    assert loss.isfinite().all()
    loss.mean().backward()
    assert torch.allclose(scored.distortion.grad, torch.full((1, 4), 0.25).double())
