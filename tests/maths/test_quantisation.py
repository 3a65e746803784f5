"""Quantisation against enumeration, exact on small integers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.maths import quantisation

SIZES = st.tuples(st.integers(1, 20), st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**30))


def integers(sizes: tuple[int, int, int, int], reach: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors and codebook on a small grid, where distances are exact and ties are common."""
    n, k, d, seed = sizes
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randint(-reach, reach + 1, (n + k, d), generator=generator).double()
    return draw[:n], draw[n:]


@given(SIZES)
def test_nearest_is_the_nearest_and_ties_go_to_the_lowest(sizes: tuple[int, int, int, int]) -> None:
    vectors, codebook = integers(sizes, 1)
    distances = (vectors[:, None] - codebook).square().sum(2)
    expected = [row.index(min(row)) for row in distances.tolist()]
    assert quantisation.nearest(vectors, codebook).tolist() == expected
    assert quantisation.nearest(vectors.float(), codebook.float()).tolist() == expected


@given(SIZES)
def test_the_first_of_equals_is_the_lowest_code_of_the_same_vector(sizes: tuple[int, int, int, int]) -> None:
    _, codebook = integers(sizes, 1)
    rows = codebook.tolist()
    assert quantisation.first_of_equals(codebook).tolist() == [rows.index(row) for row in rows]


@given(SIZES)
def test_permuted_codes_are_permuted_results(sizes: tuple[int, int, int, int]) -> None:
    n, k, d, seed = sizes
    torch.manual_seed(seed)
    vectors, codebook = torch.randn(n, d).double(), torch.randn(k, d).double()
    order = torch.randperm(k)
    assert torch.equal(
        order[quantisation.nearest(vectors, codebook[order])], quantisation.nearest(vectors, codebook)
    )


@given(SIZES, st.integers(1, 500))
def test_how_many_are_taken_at_a_time_changes_nothing(sizes: tuple[int, int, int, int], cached: int) -> None:
    vectors, codebook = integers(sizes, 2)
    whole = quantisation.nearest(vectors, codebook)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantisation, "_CACHED", cached)
        assert torch.equal(quantisation.nearest(vectors, codebook), whole)


def test_many_vectors_are_taken_piece_by_piece() -> None:
    vectors, codebook = integers((3001, 530, 4, 0), 2)
    distances = (vectors[:, None] - codebook).square().sum(2)
    first = (distances == distances.amin(1, keepdim=True)).int().argmax(1)
    assert torch.equal(quantisation.nearest(vectors, codebook), first)


def test_vectors_that_are_not_finite_still_get_a_code() -> None:
    """A run that diverges is to end as one, not in an index that is out of range."""
    codes = quantisation.nearest(torch.tensor([[torch.nan, 0.0], [torch.inf, 1.0]]), torch.randn(7, 2))
    assert ((codes >= 0) & (codes < 7)).all()


def test_half_precision_around_it_changes_no_code() -> None:
    vectors, codebook = torch.randn(500, 8), torch.randn(64, 8)
    nearest = (vectors.double()[:, None] - codebook).square().sum(2).argmin(1)
    with torch.autocast("cpu", torch.bfloat16):
        found = quantisation.nearest(vectors, codebook)
    assert torch.equal(found, nearest)


@given(SIZES)
def test_straight_through_is_exactly_the_identity(sizes: tuple[int, int, int, int]) -> None:
    n, _, d, seed = sizes
    torch.manual_seed(seed)
    z = torch.randn(n, d).mul(1e3).requires_grad_()
    e = torch.randn(n, d, requires_grad=True)
    weights = torch.randn(n, d)
    out = quantisation.straight_through(z, e)
    assert torch.equal(out, e)
    (out * weights).sum().backward()
    assert torch.equal(z.grad, weights)
    assert e.grad is None


@given(SIZES)
def test_counts_sums_and_means_are_their_definitions(sizes: tuple[int, int, int, int]) -> None:
    vectors, codebook = integers(sizes, 3)
    count = len(codebook)
    codes = torch.randint(0, count, (len(vectors),))
    one_hot = torch.nn.functional.one_hot(codes, count).double()
    n, m = quantisation.counts(codes, count).double(), quantisation.sums(vectors, codes, count)
    assert torch.equal(n, one_hot.sum(0))
    assert torch.equal(m, one_hot.T @ vectors)
    eps = 1e-3
    for k, mean in enumerate(quantisation.smoothed_means(n, m, eps)):
        smoothed = (n[k] + eps) / (n.sum() + count * eps) * n.sum()
        assert torch.allclose(mean, m[k] / smoothed, rtol=1e-12)
    used = n > 0
    exact = quantisation.smoothed_means(n, m, 1e-300)[used]
    assert torch.allclose(exact, m[used] / n[used, None], rtol=1e-12)
