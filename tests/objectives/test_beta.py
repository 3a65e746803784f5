"""The β-VAE: linear in β, its two scales, and the ELBO at β = 1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.contracts import Group, ImageShape, Progress
from vaebench.errors import UsageError
from vaebench.objectives.beta import Beta
from vaebench.objectives.elbo import Elbo

from .batches import CODES, GROUPS, IMAGE, codes, reals

seeds = st.integers(0, 1000)
betas = st.floats(0, 100)
ANY = Progress(3, 10)


@given(seeds, st.integers(1, 3), st.integers(0, 10))
def test_at_one_it_is_the_bound(seed: int, samples: int, step: int) -> None:
    one, progress = reals(seed, samples), Progress(step, 10)
    found = Beta(GROUPS, IMAGE, beta=1.0)(one, progress)
    assert torch.allclose(found, -one.elbo())
    assert torch.equal(found, Elbo(GROUPS, IMAGE, warmup=0.0)(one, progress))
    warmed = Beta(GROUPS, IMAGE, beta=1.0, warmup=0.5)(one, progress)
    assert torch.equal(warmed, Elbo(GROUPS, IMAGE, warmup=0.5)(one, progress))


@given(seeds, betas, betas, st.floats(0, 1), st.booleans())
def test_it_is_linear_in_beta(seed: int, a: float, b: float, share: float, coded: bool) -> None:
    one, groups = (codes(seed), CODES) if coded else (reals(seed), GROUPS)

    def loss(beta: float) -> torch.Tensor:
        return Beta(groups, IMAGE, beta=beta)(one, ANY)

    mixed = loss(share * a + (1 - share) * b)
    assert torch.allclose(mixed, share * loss(a) + (1 - share) * loss(b), rtol=1e-9)
    assert torch.allclose(loss(a) - loss(0.0), a * one.kl().sum((0, 1)))


@given(seeds, betas, st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)), st.booleans())
def test_the_scales_differ_by_latents_over_pixels(
    seed: int, beta: float, size: tuple[int, int, int], coded: bool
) -> None:
    image = ImageShape(*size)
    one, groups = (codes(seed), CODES) if coded else (reals(seed), GROUPS)
    latents = 4 if coded else 5
    plain = Beta(groups, image, beta=beta)(one, ANY)
    normalised = Beta(groups, image, beta=beta * latents / image.dims, scale="normalised")(one, ANY)
    assert torch.allclose(plain, normalised, rtol=1e-12)


def test_a_normalised_scale_without_latents_is_refused() -> None:
    none: tuple[Group, ...] = ()
    with pytest.raises(UsageError, match="scale=plain"):
        Beta(none, IMAGE, scale="normalised")
