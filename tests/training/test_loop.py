"""The loop: resumable bit for bit, every image seen equally often, bad steps skipped and counted."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import Component, ImageShape, Progress
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.likelihood import bounds
from vaebench.model import Vae
from vaebench.registry import load
from vaebench.settings import Training
from vaebench.training import optimise
from vaebench.training.checkpoint import Store, weights_sha256
from vaebench.training.loop import Trainer
from vaebench.training.stream import Stream

IMAGE = ImageShape(1, 4, 4, 5)


class Silent:
    """Hears everything, says nothing; stops the run where it is told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.said: list[str] = []

    def start(self, step: int, total: int, dims: int, images: int) -> None:
        pass

    def step(self, step: int, images: int, loss: Tensor, scored: Any) -> None:
        if step == self.stop_at:
            raise KeyboardInterrupt

    def validated(self, step: int, nats: float, best: bool) -> None:
        pass

    def say(self, line: str) -> None:
        self.said.append(line)

    def count(self, what: str, done: int, total: int) -> None:
        pass

    def phase(self, name: str) -> None:
        pass

    def saved(self, step: int) -> None:
        pass

    def ended(self, status: str, bits_per_dim: float | None) -> None:
        pass


class Counting(Component):
    """Counts the steps that were taken, and holds a statistic that only ``after_step`` may commit."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor

    def after_step(self) -> None:
        self.steps += 1


def model() -> Vae:
    torch.manual_seed(0)
    spec = parse("enc=mlp,enc.hidden=8,dec.hidden=8,latent.dim=2")
    return resolve(spec, load(), IMAGE).build()


def images(count: int = 23) -> Tensor:
    return torch.randint(0, 5, (count, 1, 4, 4), generator=torch.Generator().manual_seed(5)).to(torch.uint8)


def trainer(
    folder: Path, settings: Training, total: int = 12, stop_at: int | None = None, of: Vae | None = None
) -> Trainer:
    settings = msgspec.structs.replace(settings, lr=settings.lr or 1e-3)
    validation = images(7)

    def bound(m: Vae) -> float:
        return -bounds(m, validation, 1, Draws()).elbo.mean().item()

    def draw(x: Tensor) -> Tensor:  # fresh each time, as binarisation is
        return (x - torch.randint_like(x, 2)).clamp(max=4)

    stream = Stream(images(), settings.batch, 3, draw)
    return Trainer(of or model(), stream, settings, total, 3, Store(folder), Silent(stop_at), bound)


@pytest.mark.parametrize(
    ("optimiser", "ema", "keep_best", "stop_at"),
    [
        ("adamw", 0.4, False, 3),
        ("adamw", 0.9, True, 5),
        ("adamw", 0.0, False, 1),
        ("adam", 0.0, True, 11),
        ("adam", 0.9, False, 5),
        ("adamax", 0.9, True, 1),
        ("adamax", 0.0, False, 11),
    ],
)
def test_resuming_gives_the_same_weights_bit_for_bit(
    tmp_path: Path, optimiser: Any, ema: float, keep_best: bool, stop_at: int
) -> None:
    settings = Training(
        batch=5, optimiser=optimiser, ema=ema, keep_best=keep_best, checkpoint=1e-9, warmup=3, lr=0.01
    )
    whole = trainer(tmp_path / "whole", settings)
    whole.run()
    part = trainer(tmp_path / "part", settings, stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        part.run()
    rest = trainer(tmp_path / "part", settings)
    rest.restore()
    assert rest.state.step == stop_at - 1
    torch.rand(17)  # whatever else was drawn in between
    rest.run()
    assert weights_sha256(rest.final_weights()) == weights_sha256(whole.final_weights())
    assert [h["nats"] for h in rest.state.history] == [h["nats"] for h in whole.state.history]


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 10**6), st.integers(1, 50))
def test_the_stream_shows_every_image_equally_often(count: int, batch: int, seed: int, steps: int) -> None:
    numbered = torch.arange(count)[:, None, None, None]
    stream = Stream(numbered, batch, seed)
    seen = torch.cat([stream.at(s).flatten() for s in range(steps)])
    assert len(seen) == steps * batch
    for epoch in range(len(seen) // count):
        assert sorted(seen[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))
    again = Stream(numbered, batch, seed)
    assert torch.equal(again.at(steps - 1).flatten(), seen[-batch:])


def test_steps_whose_gradient_is_not_finite_are_skipped_and_counted(tmp_path: Path) -> None:
    settings = Training(batch=5, validate=0, ema=0.5, lr=0.1)
    counted = model()
    counted.counting = Counting()
    counted.parts = (*counted.parts, counted.counting)
    sick = trainer(tmp_path, settings, total=6, of=counted)
    healthy = sick.model.loss

    def loss(x: Tensor, noise: Any, progress: Progress, labels: Any = None) -> Any:
        value, scored = healthy(x, noise, progress)
        return (value * math.nan if progress.step in (2, 3) else value), scored

    sick.model.loss = loss  # type: ignore[method-assign]
    state = sick.run()
    assert (state.step, state.skipped, state.stopped) == (6, 2, "budget")
    assert all(p.isfinite().all() for p in sick.model.parameters())
    assert counted.counting.steps == 4
    assert sick.average is not None
    assert sick.average.n_averaged == 4


def test_a_skipped_step_leaves_no_trace_in_batch_statistics(tmp_path: Path) -> None:
    normed = model()
    normed.encoder.net.append(nn.BatchNorm1d(8))  # type: ignore[union-attr,operator]
    before = {k: t.clone() for k, t in normed.named_buffers()}
    state = trainer(tmp_path, Training(batch=5, validate=0, skip=1e-9, skip_limit=4), of=normed).run()
    assert state.skipped == 4
    assert all(torch.equal(t, before[k]) for k, t in normed.named_buffers())
    trainer(tmp_path / "taken", Training(batch=5, validate=0), total=1, of=normed).run()
    assert not all(torch.equal(t, before[k]) for k, t in normed.named_buffers())


def test_nothing_but_skips_ends_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    settings = Training(batch=5, validate=0, skip=1e-9, skip_limit=4, checkpoint=1e-9)
    state = trainer(tmp_path, settings, total=100).run()
    assert (state.stopped, state.step, state.skipped) == ("diverged", 4, 4)
    found, _ = Store(tmp_path).latest()
    assert found is not None
    assert found.state["step"] == 3


def test_clipping_bounds_the_step_and_no_clipping_leaves_it(tmp_path: Path) -> None:
    def change(clip: float) -> float:
        settings = Training(
            batch=5, validate=0, clip=clip, optimiser="adam", eps=1e3, lr=1.0, warmup=0, weight_decay=0
        )
        one = trainer(tmp_path / str(clip), settings, total=1)
        before = [p.detach().clone() for p in one.model.parameters()]
        one.run()
        moved = [(p - b).square().sum() for p, b in zip(one.model.parameters(), before, strict=True)]
        return torch.stack(moved).sum().sqrt().item()

    free = change(0.0)
    assert change(1e9) == free
    assert change(1e-3) < 0.01 * free


def test_patience_stops_and_the_best_weights_are_scored(tmp_path: Path) -> None:
    settings = Training(batch=23, patience=2, lr=1e-9, warmup=0, weight_decay=0.0, validate=1)
    worse = trainer(tmp_path, settings, total=50)
    nats = iter([5.0, 3.0, 4.0, 3.5, 1.0])
    kept: list[str] = []

    def bound(m: Vae) -> float:
        kept.append(weights_sha256(m.state_dict()))
        return next(nats)

    worse.bound = bound
    state = worse.run()
    assert (state.stopped, state.step, state.best_step, state.best_nats) == ("patience", 4, 2, 3.0)
    assert weights_sha256(worse.final_weights()) == kept[1]


def test_a_bound_that_is_not_finite_is_divergence(tmp_path: Path) -> None:
    sick = trainer(tmp_path, Training(batch=23), total=5)
    sick.bound = lambda m: math.inf
    assert sick.run().stopped == "diverged"


@pytest.mark.parametrize("warmup", [False, True])
def test_ema_is_its_formula(tmp_path: Path, warmup: bool) -> None:
    settings = Training(batch=5, ema=0.3, ema_warmup=warmup, validate=0, keep_best=False, lr=0.05)
    one = trainer(tmp_path, settings, total=6)
    seen: list[Tensor] = []
    step = one.rule.step
    one.rule.step = lambda: (step(), seen.append(next(one.model.parameters()).detach().clone()))  # type: ignore[assignment,return-value,func-returns-value]
    one.run()
    expected = seen[0]
    for t, w in enumerate(seen[1:], 1):
        kept = min(0.3, (1 + t) / (10 + t)) if warmup else 0.3
        expected = kept * expected + (1 - kept) * w
    assert torch.allclose(next(one.scored_model.parameters()), expected, rtol=1e-6)


@given(
    st.sampled_from(["constant", "cosine", "exponential"]),
    st.integers(0, 20),
    st.integers(21, 200),
    st.floats(1e-6, 1),
)
def test_the_learning_rate_rises_then_never_rises(
    schedule: Any, warmup: int, total: int, peak: float
) -> None:
    settings = Training(schedule=schedule, warmup=warmup, lr=peak, lr_end=0.1)
    rates = [optimise.learning_rate(settings, s, total, s / 10) for s in range(total)]
    assert all(0 < r <= peak * (1 + 1e-9) for r in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    if schedule == "cosine":
        assert math.isclose(optimise.learning_rate(settings, total, total, 0), 0.1 * peak)
    if schedule == "exponential" and warmup == 0:
        assert math.isclose(rates[10], peak * settings.lr_decay, rel_tol=1e-9)


def test_bf16_trains_the_networks_but_not_the_likelihood(tmp_path: Path) -> None:
    one = trainer(tmp_path, Training(batch=5, precision="bf16", validate=0), total=2)
    dtypes: list[torch.dtype] = []
    one.model.output.likelihood.log_prob_pixels = (  # type: ignore[method-assign]
        lambda p, x, f=one.model.output.likelihood.log_prob_pixels: (dtypes.append(p.dtype), f(p, x))[1]
    )
    one.run()
    assert set(dtypes) == {torch.float32}
    assert isinstance(one.model.encoder, nn.Module)
