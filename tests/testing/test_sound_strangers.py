"""Sound parts as strangers write them keep the laws; the fault that is next to each breaks them."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta
from torch import Tensor, nn

from vaebench import registry
from vaebench.contracts import Context, Group, ImageShape, Objective, Prior, Progress, Scored
from vaebench.distributions import DiagonalNormal, Distribution, StandardNormal, check_shape
from vaebench.encoders.conv import Conv
from vaebench.errors import VaebenchError
from vaebench.hookspecs import Entry
from vaebench.maths import gaussian
from vaebench.noise import Noise
from vaebench.priors.normal import Normal
from vaebench.registry import Registered, Registry
from vaebench.testing.formulas import formula_of
from vaebench.testing.laws import LAWS, gradients
from vaebench.testing.report import lines
from vaebench.testing.run import Verdict, judge
from vaebench.testing.subject import PartSubject
from vaebench.testing.subjects import subjects_of
from vaebench.testing.values import extremes

from .parts import law_of, subject_of


def verdict(kind: str, law: str, part: type) -> Verdict:
    return judge(law_of(LAWS[kind], law), subject_of(kind, part))


class Flow(Distribution):
    """z = sinh((asinh(u) − skew)/tail), u normal: one peak and long tails; its density is exact."""

    skew, tail = 3.0, 1.5
    wrong: ClassVar[float] = 0.0

    def __init__(self, batch: int, shape: tuple[int, ...]) -> None:
        self.size = (batch, *shape)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        u = temperature * noise.normal(torch.empty(self.size, dtype=torch.float64))
        return torch.sinh((torch.asinh(u) - self.skew) / self.tail)

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, (len(z), *self.size[1:]))
        h = self.tail * torch.asinh(z) + self.skew
        slope = torch.log(self.tail * torch.cosh(h)) - 0.5 * torch.log1p(z.square())
        each = gaussian.log_density_standard(torch.sinh(h)) + slope + self.wrong
        return each.flatten(1).sum(1)


class Peaks(Flow):
    """Two normals, one ten thousand times as narrow as the other."""

    spreads = (1e-4, 1.0)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        like = torch.empty(self.size, dtype=torch.float64)
        first = noise.uniform(like[:, :1, :1, :1]) < 0.5
        spread = torch.where(first, *(torch.tensor(s).double() for s in self.spreads))
        return torch.where(first, -1.0, 1.0) + temperature * spread * noise.normal(like)

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, (len(z), *self.size[1:]))
        zero = torch.zeros_like(z)
        each = [
            gaussian.log_density(z, zero + m, zero + math.log(s)).flatten(1).sum(1)
            for m, s in zip((-1, 1), self.spreads, strict=True)
        ]
        return torch.stack(each).logsumexp(0) - math.log(2)


class FlowPrior(Prior):
    """A flow at the root."""

    needs: ClassVar[dict[str, frozenset[str]]] = {"latent": frozenset({"real"})}
    flow: ClassVar[type[Flow]] = Flow

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.shape = groups[0].shape

    def at(self, group: int, context: Context) -> Distribution | None:
        return self.flow(context.batch, self.shape) if group == 0 else None


class PeakedPrior(FlowPrior):
    """Peaks at the root."""

    flow = Peaks


class Off(Flow):
    """Half a percent too much in each dimension."""

    wrong = 0.005


class OffPrior(FlowPrior):
    """A flow whose log-determinant is a little wrong."""

    flow = Off


@pytest.mark.parametrize("part", [FlowPrior, PeakedPrior])
@pytest.mark.parametrize(
    "law",
    [
        "density integrates to one",
        "a higher temperature spreads the samples",
        "latents do not depend on the batch",
    ],
)
def test_peaked_and_skewed_flows_keep_the_laws(part: type, law: str) -> None:
    found = verdict("prior", law, part)
    assert found.status == "holds", (found.reason, found.measured, found.expected)


def test_an_integral_that_is_off_reports_its_own_error() -> None:
    found = verdict("prior", "density integrates to one", OffPrior)
    assert found.status == "broken"
    assert "with an estimated error of" in found.reason
    assert float(found.measured) == pytest.approx(math.exp(0.005), abs=1e-3)
    assert "1 ±" in found.expected


class Rounding(DiagonalNormal):
    """Each draw and density off by what the size of its batch rounds to, or by more."""

    by: ClassVar[float] = 4e-16

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return super().sample(noise, temperature) + self.by * len(self.location)


class Leaking(Rounding):
    """Off by what a batch's statistic leaks."""

    by = 1e-5


class RoundedRows(Normal):
    """Rounding depends on the batch."""

    q: ClassVar[type[Rounding]] = Rounding

    def at(self, group: int, context: Context) -> Distribution | None:
        p = super().at(group, context)
        return self.q(p.location, p.log_std) if isinstance(p, DiagonalNormal) else p


class LeakingRows(RoundedRows):
    """Samples depend on the batch."""

    q = Leaking


def test_rounding_is_no_dependence_and_a_leak_is_one() -> None:
    assert verdict("prior", "latents do not depend on the batch", RoundedRows).status == "holds"
    assert verdict("prior", "latents do not depend on the batch", LeakingRows).status == "broken"


class Weighed(Objective):
    """Distortion and rates, and a learned weight that starts at random."""

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(()))

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return (scored.distortion + self.weight * scored.kl().sum(0)).mean(0)


class Stratified(Weighed):
    """Log q(z) of the batch's others, weighed by their places: a function of the whole batch."""

    over = "batch"

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        term = scored.terms[0]
        assert isinstance(term.q, DiagonalNormal)
        each = gaussian.log_density(term.z[:, None], term.q.location[None], term.q.log_std[None]).flatten(2)
        places = torch.arange(len(term.z), dtype=each.dtype)
        log_q = (each.sum(2) - places.add(2).log()).logsumexp(1).reshape(-1, len(scored.distortion)).mean(1)
        return (scored.distortion + scored.kl().sum(0)).mean(0) + log_q


class StratifiedUnsaid(Stratified):
    """The same, as if it were a loss of each image."""

    over = "image"


class Miwae(Objective):
    """The mean over M groups of importance-weighted bounds (Rainforth et al. 2018)."""

    samples = 4

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weights = scored.log_weights()
        groups = [weights] if len(weights) % 2 else list(weights.chunk(2))
        return -torch.stack([w.logsumexp(0) - math.log(len(w)) for w in groups]).mean(0)


def own_laws(part: type) -> list[Verdict]:
    own = [law for law in LAWS["objective"] if "Objective" in law.where]
    return [judge(law, subject_of("objective", part)) for law in own]


class OverCodes(Weighed):
    """An objective of models of codes in one group."""

    needs: ClassVar[dict[str, frozenset[str]]] = {"latent": frozenset({"codes", "single"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__(groups, image)
        (group,) = groups
        assert group.codes


class OverColour(Weighed):
    """An objective of colour images."""

    needs: ClassVar[dict[str, frozenset[str]]] = {"data": frozenset({"colour"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__(groups, image)
        assert image.channels == 3


class Tires(Weighed):
    """Sound when fresh; after a step its loss is not a number."""

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__(groups, image)
        self.count: Tensor
        self.register_buffer("count", torch.zeros(()))

    def after_step(self) -> None:
        self.count += torch.inf

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return super().forward(scored, progress) + 0 * self.count


@pytest.mark.parametrize("part", [Weighed, Stratified, Miwae, OverCodes, OverColour])
def test_sound_objectives_keep_their_laws(part: type) -> None:
    broken = [v for v in own_laws(part) if v.status == "broken"]
    assert not [line for v in broken for line in lines(v)]


def test_a_loss_over_the_batch_says_so() -> None:
    broken = [v.law for v in own_laws(StratifiedUnsaid) if v.status == "broken"]
    assert broken == ["there is one loss per image"]


def test_objectives_are_seen_in_their_trained_state_too() -> None:
    found = verdict("objective", "there is one loss per image", Tires)
    assert found.status == "broken"
    assert found.counterexample["trained"] == "True"


class Stated(Objective):
    """β times the rate, said twice."""

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        beta: Annotated[float, Meta(ge=0, description="weight of the rate")] = 2.0,
    ) -> None:
        super().__init__()
        self.beta = beta

    @staticmethod
    def formula(
        distortions: Sequence[float],
        rates: Sequence[Sequence[float]],
        log_weights: Sequence[float],
        progress: Progress,
        groups: Sequence[Group],
        image: ImageShape,
        *,
        beta: float,
    ) -> float:
        return fmean(distortions) + beta * sum(map(fmean, rates))

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return (scored.distortion + self.beta * scored.kl().sum(0)).mean(0)


class Misstated(Stated):
    """The rate's root where the rate is stated."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return (scored.distortion + self.beta * scored.kl().sum(0).sqrt()).mean(0)


def test_an_author_states_a_formula_and_is_held_to_it() -> None:
    assert verdict("objective", "the loss matches its formula", Stated).status == "holds"
    assert verdict("objective", "the loss matches its formula", Weighed).status == "does not apply"
    found = verdict("objective", "the loss matches its formula", Misstated)
    assert found.status == "broken"
    assert found.measured != found.expected


def test_every_built_in_objective_has_a_formula() -> None:
    ours = [r for r in registry.load().entries("objective") if r.package == "vaebench"]
    assert all(formula_of(registry.load().resolve("objective", r.entry.name)) for r in ours)


class Unset(Conv):
    """A buffer that is not a number until something sets it."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image, width=3)
        self.register_buffer("unset", torch.full((2,), torch.nan))


@pytest.mark.parametrize(
    "law",
    [
        "state survives saving and loading",
        "the same seed gives the same results",
        "evaluation changes no state",
    ],
)
def test_what_is_no_number_equals_itself(law: str) -> None:
    found = verdict("encoder", law, Unset)
    assert found.status == "holds", found.reason


class Gated(Conv):
    """One hidden unit squeezes and excites: from some seeds it is off for every image."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image, width=3)
        self.squeeze, self.excite = nn.Linear(3, 1), nn.Linear(1, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = super().forward(x)
        gate = self.excite(self.squeeze(maps[-1].mean((2, 3))).relu()).sigmoid()
        return tuple(h * gate[:, :, None, None] for h in maps)


class Shut(Gated):
    """The same, off from every seed."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image)
        with torch.no_grad():
            self.squeeze.weight.zero_()
            self.squeeze.bias.fill_(-1)


def test_a_unit_that_starts_off_by_chance_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    law = "gradient reaches every parameter"
    assert verdict("encoder", law, Gated).status == "holds"
    found = verdict("encoder", law, Shut)
    assert found.status == "broken"
    assert "squeeze.weight" in found.reason
    monkeypatch.setattr(gradients, "SEEDS", 1)
    assert "squeeze.weight" in verdict("encoder", law, Gated).reason


def with_a_bad_plugin() -> Registry:
    """What is installed, and a package whose parts cannot be imported or take the name of ours."""
    bad = [
        Entry(kind, name, "nowhere_at_all:Missing", "cannot be imported")
        for kind in ("encoder", "latent", "prior", "decoder", "likelihood", "objective")
        for name in ("aaa", {"encoder": "conv", "prior": "normal"}.get(kind, "bbb"))
    ]
    return Registry([*registry.load().entries(), *(Registered(entry, "bad", "0") for entry in bad)])


@pytest.mark.parametrize("word", ["decoder=mlp", "likelihood=bernoulli", "latent=gaussian"])
def test_another_package_does_not_break_a_built_in_part(word: str) -> None:
    (subject,) = subjects_of(word, with_a_bad_plugin())
    verdicts = [judge(law, subject, 0.1) for law in LAWS[subject.kind]]
    assert not [v for v in verdicts if v.status == "broken"]


def test_a_part_that_cannot_be_imported_is_broken_alone() -> None:
    everything = with_a_bad_plugin()
    bad = [s for s in subjects_of("bad", everything) if s.kind == "prior"]
    assert {str(s) for s in bad} == {"prior=aaa", "prior=normal"}
    for subject in bad:
        found = judge(LAWS["prior"][1], subject)
        assert found.status == "broken"
        assert "nowhere_at_all" in found.reason
        assert "\n" not in found.reason
    ours = PartSubject("prior", "normal", "vaebench", everything)
    assert ours.target is Normal
    assert judge(LAWS["prior"][1], ours, 0.1).status == "holds"


numbers = st.integers(-40, 400)


@settings(max_examples=300, deadline=None)
@given(
    low=st.one_of(st.none(), numbers),
    high=st.one_of(st.none(), numbers),
    open_ends=st.booleans(),
    each=st.sampled_from([None, 1, 2, 8]),
    real=st.booleans(),
    optional=st.booleans(),
)
def test_every_value_that_is_tried_is_allowed(
    low: int | None, high: int | None, open_ends: bool, each: int | None, real: bool, optional: bool
) -> None:
    if low is not None and high is not None and high < low + 20:
        high = low + 20
    ends: dict[str, Any] = dict(zip(("gt", "lt") if open_ends else ("ge", "le"), (low, high), strict=True))
    ends = {name: end for name, end in ends.items() if end is not None}
    if real:
        sort: Any = Annotated[float, Meta(**ends, description="d")]
    else:
        sort = Annotated[int, Meta(**ends, multiple_of=each, description="d")]
    sort = sort | None if optional else sort

    class Taking:
        def __init__(self, *, value: Any) -> None: ...

    Taking.__init__.__annotations__["value"] = sort
    tried = extremes(Taking)["value"]
    assert [v for v in tried if v is not None]
    for value in tried:
        msgspec.convert(value, sort)


def test_a_required_word_without_examples_is_asked_for_some() -> None:
    class Taking:
        def __init__(self, *, layers: Annotated[str, Meta(description="d")]) -> None: ...

    with pytest.raises(VaebenchError, match="parameter layers: give it a default or examples"):
        extremes(Taking)


@pytest.mark.parametrize(
    ("slot", "kind"),
    [("obj=elbo", "objective=elbo"), ("enc=mlp", "encoder=mlp"), ("dec=conv", "decoder=conv")],
)
def test_slots_are_taken_as_well_as_kinds(slot: str, kind: str) -> None:
    known = registry.load()
    assert [str(s) for s in subjects_of(slot, known)] == [str(s) for s in subjects_of(kind, known)] == [kind]


def test_a_parameter_may_say_why_it_cannot_be_seen() -> None:
    class Quiet(Normal):
        """A parameter for something outside."""

        def __init__(
            self,
            groups: tuple[Group, ...],
            image: ImageShape,
            *,
            cache: Annotated[bool, Meta(description="keep it", extra={"unseen": "time only"})] = True,
            size: Annotated[int, Meta(ge=1, description="of it")] = 2,
        ) -> None:
            super().__init__(groups, image)

    globals()["Quiet"] = Quiet
    Quiet.__qualname__ = "Quiet"
    found = verdict("prior", "every parameter has an effect", Quiet)
    assert found.status == "broken"
    assert "parameter size has no effect" in found.reason


def test_an_assertion_of_a_part_says_its_statement() -> None:
    class Asserting(Normal):
        """Asserts without a word."""

        def at(self, group: int, context: Context) -> Distribution | None:
            assert context.batch > 10**6
            return StandardNormal(self.zeros)

    globals()["Asserting"] = Asserting
    Asserting.__qualname__ = "Asserting"
    found = verdict("prior", "latents do not depend on the batch", Asserting)
    assert "AssertionError" in found.reason
    assert "assert context.batch > 10**6" in found.reason
