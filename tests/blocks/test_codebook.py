"""Codebooks: the published update, its closed form, and what becomes of codes that are not used."""

import copy
import math
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as processes
import torch.multiprocessing as multiprocessing
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vaebench.blocks.codebook import Codebook, EmaCodebook, GradientCodebook
from vaebench.maths.quantisation import straight_through

KINDS = ["gradient", "ema"]


def ema(
    codes: int, dim: int, init: str = "normal", revive: float = 0.0, counts: str = "one", decay: float = 0.9
) -> EmaCodebook:
    return EmaCodebook(codes, dim, init=init, revive=revive, decay=decay, eps=1e-5, counts=counts).double()


def made(kind: str, codes: int, dim: int, init: str = "normal", revive: float = 0.0) -> Codebook:
    if kind == "ema":
        return ema(codes, dim, init, revive, decay=0.99)
    return GradientCodebook(codes, dim, init=init, revive=revive).double()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def test_six_steps_meet_the_reference_vectors() -> None:
    folder = os.environ.get("VAEBENCH_GOLDEN") or Path(__file__).parents[3] / "shared" / "golden"
    path = Path(folder) / "vq_ema.safetensors"
    if not path.exists():
        pytest.skip(f"no reference vectors at {path}: set VAEBENCH_GOLDEN")
    golden = load_file(path)
    book = ema(12, 5, counts="zero")
    book.load_state_dict(
        {**book.state_dict(), "weight": golden["codebook/initial"], "sums": golden["codebook/initial"]}
    )
    for step in range(6):
        want = {k.split("/")[2]: v for k, v in golden.items() if k.startswith(f"step/{step}/")}
        z = want["input_bhwd"].clone().requires_grad_()
        codes = book(z.reshape(-1, 5)).view(2, 3, 4)
        found = book.look_up(codes)
        out = straight_through(z, found)
        out.backward(want["grad_out"])
        book.commit()
        assert torch.equal(codes, want["codes"])
        for got, name in (
            (out, "quantized_bhwd"),
            (z.grad, "grad_in"),
            ((z - found).square().mean(), "commitment_mse"),
            (book.counts, "cluster_size_after"),
            (book.sums, "embed_avg_after"),
            (book.weight, "codebook_after"),
        ):
            assert (got - want[name]).abs().max() < 1e-10, f"step {step}: {name}"


@given(st.floats(0, 0.99), st.sampled_from(["one", "zero"]), st.integers(1, 6), st.integers(0, 2**30))
def test_running_statistics_have_their_closed_form(decay: float, counts: str, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    book = ema(7, 3, counts=counts, decay=decay)
    n, m = (decay**steps) * (counts == "one"), decay**steps * book.weight
    for step in range(steps):
        z = torch.randn(20, 3).double()
        one_hot = torch.nn.functional.one_hot(book(z), 7).double()
        n = n + (1 - decay) * decay ** (steps - 1 - step) * one_hot.sum(0)
        m = m + (1 - decay) * decay ** (steps - 1 - step) * one_hot.T @ z
        book.commit()
    total = n.sum()
    smoothed = (n + 1e-5) / (total + 7e-5) * total
    assert torch.allclose(book.counts, n, rtol=1e-10)
    assert torch.allclose(book.sums, m, rtol=1e-10)
    assert torch.allclose(book.weight, m / smoothed[:, None], rtol=1e-8)


def clustered(book: EmaCodebook, steps: int) -> Tensor:
    """The largest norm of a code after training on 64 clusters, of norms about 8."""
    torch.manual_seed(3)
    centres = 2 * torch.randn(64, 16).double()
    for _ in range(steps):
        book(centres[torch.randint(0, 64, (512,))] + 0.1 * torch.randn(512, 16).double())
        book.commit()
    return book.weight.norm(dim=1).max()


def test_unused_codes_explode_from_zero_counts_and_from_no_other() -> None:
    assert clustered(ema(512, 16, counts="zero", decay=0.99), 50) > 1e3
    assert clustered(ema(512, 16, counts="one", decay=0.99), 50) < 20
    assert clustered(ema(512, 16, init="data", revive=0.1, decay=0.99), 50) < 20


def test_an_unused_code_keeps_its_place_while_it_counts() -> None:
    book = ema(2, 2, decay=0.99)
    with torch.no_grad():
        book.weight.copy_(torch.tensor([[0.0, 0.0], [50.0, 50.0]]))
        book.sums.copy_(book.weight)
    for _ in range(300):
        book(torch.randn(9, 2).double())
        book.commit()
        assert book.weight[1].norm() <= math.hypot(50, 50) * 1.0001
    assert book.weight[1].norm() > 60


@pytest.mark.parametrize("kind", KINDS)
def test_dead_codes_become_vectors_of_the_batch_and_live_ones_stay(kind: str) -> None:
    for revive in (0.0, 0.1):
        torch.manual_seed(0)
        book = made(kind, 6, 2, revive=revive)
        with torch.no_grad():
            far = torch.tensor([[0.0, 0.0], [0.0, 1.0]] + [[100.0, 100.0]] * 4)
            book.weight.copy_(far)
            book.load_state_dict({**book.state_dict(), **({"sums": far} if kind == "ema" else {})})
        used = set()
        for _ in range(400):
            before = book.weight.detach().clone()
            z = torch.randn(30, 2).double()
            codes = book(z)
            used.update(codes.tolist())
            book.commit()
            moved = (before - book.weight).norm(dim=1) > 20
            if moved.any():
                placed = book.weight[moved]
                assert (placed[:, None] == z).all(2).any(1).all(), "a revived code is a vector of the batch"
                assert not moved[:2].any(), "codes in use are left alone"
                assert torch.allclose(book.counts[moved], book.counts[moved].mean())
        assert used == ({0, 1} if revive == 0 else set(range(6)))


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(2, 8), st.floats(0.05, 0.9), st.integers(0, 999))
def test_a_revived_code_has_its_mass_in_the_steps_after(
    kind: str, codes: int, revive: float, seed: int
) -> None:
    """As if used as often as the mean code: unused, it stays where it is and fades as that does."""
    torch.manual_seed(seed)
    book = made(kind, codes, 2, revive=revive)
    with torch.no_grad():
        place = torch.full((codes, 2), 1e4).double()
        place[0] = 0.0
        counts = torch.full((codes,), 1e-9).double()
        counts[0] = 40.0
        sums = {"sums": place * counts[:, None]} if kind == "ema" else {}
        book.load_state_dict({"weight": place, "counts": counts, "started": book.started, **sums})
    book(torch.randn(30, 2).double())
    book.commit()  # revives all but code 0, as vectors of the batch
    mean, revived = book.counts[1:].clone(), book.weight[1:].clone()
    assert (revived.norm(dim=1) < 100).all()
    assert torch.allclose(mean, mean[0].expand_as(mean))
    book.revive = 0.0
    far = revived.mean(0) + 1e3
    with torch.no_grad():
        if kind == "ema":
            book.sums[0] = far * book.counts[0]
        book.weight[0] = far
    for step in range(1, 4):
        assert not book(far.expand(20, 2)).any(), "only code 0 is used"
        book.commit()
        assert torch.allclose(book.counts[1:], mean * 0.99**step, rtol=1e-9)
        if kind == "ema":
            assert torch.allclose(book.sums[1:], mean[:, None] * revived * 0.99**step, rtol=1e-9)
        assert torch.allclose(book.weight[1:], revived, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**30))
def test_data_start_takes_vectors_of_the_first_batch(kind: str, count: int, codes: int, seed: int) -> None:
    torch.manual_seed(seed)
    first, second = torch.randn(2, count, 3).double().unbind()
    books = [made(kind, codes, 3, init="data") for _ in range(2)]
    for book in books:
        book.eval()(first)
        assert not book.started, "evaluation starts nothing"
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        book.train()(first)
        assert torch.equal(torch.get_rng_state(), state), "the default generator is left where it was"
        chosen = book.weight.detach().clone()
        assert len(chosen.unique(dim=0)) == min(count, codes)
        assert (chosen[:, None] == first).all(2).any(1).all()
        book(second)
        assert torch.equal(book.weight, chosen), "once"
    assert same(books[0].state_dict(), books[1].state_dict()), "deterministic under a seed"


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_committed_look_up_of_training_counts_and_once(kind: str) -> None:
    book = made(kind, 5, 2, init="data", revive=0.1)
    z = torch.randn(40, 2).double()
    book(z)
    book.commit()
    before = copy.deepcopy(book.state_dict())
    book.eval()(10 * z)
    torch.manual_seed(1)
    book.commit()
    assert same(book.state_dict(), before), "no update in evaluation"
    book.train()(10 * z)  # a skipped step: never committed
    book(z)
    book(z)  # recomputed in the backward pass
    torch.manual_seed(1)
    book.commit()
    again = made(kind, 5, 2)
    again.revive = 0.1
    again.load_state_dict(before)
    again(z)
    torch.manual_seed(1)
    again.commit()
    assert same(book.state_dict(), again.state_dict())
    committed = copy.deepcopy(book.state_dict())
    book.commit()
    assert same(book.state_dict(), committed), "a look-up is taken in once"


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_all_there_is(kind: str) -> None:
    book, other = made(kind, 8, 2, "data", 0.5), made(kind, 8, 2, "data", 0.5)
    batches = torch.randn(6, 10, 2).double()
    for step, z in enumerate(batches):
        if step == 3:
            other.load_state_dict(book.state_dict())
        for each in (book, other)[: 1 + (step >= 3)]:
            torch.manual_seed(step)
            each(z)
            each.commit()
    assert same(book.state_dict(), other.state_dict())


def test_an_averaged_model_has_the_codebook_of_the_model() -> None:
    book = ema(8, 2, init="data", revive=0.5)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2).double(), book)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    for _ in range(3):
        model(torch.randn(10, 2).double())
        book.commit()
        average.update_parameters(model)
        assert same(average.module[1].state_dict(), book.state_dict())


def _one_of_two(rank: int, folder: str) -> None:
    """A process: its half of every batch, with the start given and with one from data."""
    processes.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    start = torch.load(f"{folder}/start")
    given, fresh = ema(6, 2), ema(6, 2, init="data", revive=0.9)
    given.load_state_dict(start["state"])
    torch.manual_seed(rank)
    for z in start["batches"]:
        for book in (given, fresh):
            book(z.chunk(2)[rank])
            book.commit()
    torch.save((given.state_dict(), fresh.state_dict()), f"{folder}/{rank}")
    processes.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_are_one_with_both_their_batches(tmp_path: Path) -> None:
    book, batches = ema(6, 2), torch.randn(4, 20, 2).double()
    torch.save({"state": book.state_dict(), "batches": batches}, tmp_path / "start")
    multiprocessing.start_processes(_one_of_two, (str(tmp_path),), nprocs=2, start_method="fork")
    for z in batches:
        book(z)
        book.commit()
    (given, fresh), (other, other_fresh) = (torch.load(tmp_path / name) for name in "01")
    assert same(given, other)
    for key, value in book.state_dict().items():
        assert torch.allclose(given[key].double(), value.double(), rtol=1e-12), key
    assert same(fresh, other_fresh), "drawn alike in all processes"


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999), copies=st.integers(2, 40))
def test_of_equal_codes_evaluation_takes_one_whatever_the_batch(kind: str, seed: int, copies: int) -> None:
    """Rounding tells equal codes apart, and a distance is not rounded the same alone and in a batch."""
    torch.manual_seed(seed)
    book = made(kind, 2 * copies, 3).eval()
    with torch.no_grad():
        book.weight.copy_(torch.randn(2, 3).double().repeat(copies, 1))
    vectors = torch.randn(9, 3).double()
    whole = book(vectors)
    assert whole.max() < 2, "the lowest of the equal codes"
    assert torch.equal(torch.cat([book(one[None]) for one in vectors]), whole)
