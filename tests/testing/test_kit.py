"""The kit itself: what is tried, found and said; and the fakes under the laws of their kinds."""

import json
from typing import Annotated, Literal

import msgspec
import pytest
import torch
from hypothesis import strategies as st
from msgspec import Meta

from vaebench import registry
from vaebench.errors import UsageError
from vaebench.testing import laws_for
from vaebench.testing.law import Law, LawBroken, close, hold
from vaebench.testing.laws import LAWS
from vaebench.testing.laws.every import EVERY
from vaebench.testing.report import lines
from vaebench.testing.run import judge
from vaebench.testing.statistics import ALARM, agree, quantile
from vaebench.testing.subject import Function
from vaebench.testing.subjects import subjects_of
from vaebench.testing.values import extremes

from ..fakes.codes import CodePrior, FlatCodes, TwoCodes
from ..fakes.reals import FlowLatent, LearnedHierarchy, Vamp
from .parts import Raster, subject_of, with_parts

KIND = Function("numbers", "any", function=abs)

FAKES = [
    ("latent", FlatCodes),
    ("latent", TwoCodes),
    ("latent", FlowLatent),
    ("prior", CodePrior),
    ("prior", Vamp),
    ("prior", LearnedHierarchy),
    ("decoder", Raster),
]


@pytest.mark.parametrize(("kind", "part"), FAKES, ids=lambda v: getattr(v, "__name__", v))
def test_fakes_keep_the_laws_of_their_own_kind(kind: str, part: type) -> None:
    subject = subject_of(kind, part, ("latent", "grid", FlatCodes))
    own = [law for law in LAWS[kind] if law not in EVERY]
    found = [judge(law, subject, 0.3) for law in own]
    assert not [line for v in found if v.status == "broken" for line in lines(v)]
    assert sum(v.status == "holds" for v in found) >= 3


def under(limit: int, tries: int = 200) -> Law:
    def check(subject: Function, n: int) -> None:
        hold(subject.target(n) < limit, "too large", n, f"below {limit}")

    return Law(
        "small",
        "Numbers are small.",
        "here",
        check,
        lambda _: st.fixed_dictionaries({"n": st.integers(0, 10**6)}),
        tries,
    )


@pytest.mark.parametrize("limit", [1, 5, 77, 4321, 10**5])
def test_the_smallest_counter_example_is_found(limit: int) -> None:
    found = judge(under(limit), KIND)
    assert found.status == "broken"
    assert int(found.counterexample["n"]) == limit
    assert found.measured == found.counterexample["n"]
    assert found.expected == f"below {limit}"


def test_verdicts_repeat_themselves() -> None:
    subject = subject_of("latent", FlatCodes)
    torch.manual_seed(1)
    first = [judge(law, subject, 0.2) for law in LAWS["latent"][:6]]
    torch.manual_seed(2)
    again = [judge(law, subject, 0.2) for law in LAWS["latent"][:6]]
    plain = [msgspec.structs.replace(v, seconds=0.0) for v in first]
    assert plain == [msgspec.structs.replace(v, seconds=0.0) for v in again]


def test_an_error_of_the_part_breaks_the_law_and_names_the_place() -> None:
    found = judge(Law("l", "p", "w", lambda subject: 1 / 0), KIND)
    assert found.status == "broken"
    assert "ZeroDivisionError" in found.reason
    assert "test_kit.py" in found.reason


def test_a_law_that_was_never_tried_does_not_hold() -> None:
    from vaebench.testing.law import NotTriedError

    def check(subject: Function, n: int) -> None:
        raise NotTriedError("it is always refused")

    found = judge(Law("l", "p", "w", check, lambda _: st.fixed_dictionaries({"n": st.integers()}), 3), KIND)
    assert found.status == "broken"
    assert "always refused" in found.reason


def test_a_part_without_company_breaks_its_laws_in_one_line() -> None:
    alone = subjects_of(
        "latent=grid", registry.Registry(with_parts(("latent", "grid", FlatCodes)).entries("latent"))
    )
    found = judge(LAWS["latent"][1], alone[0])
    assert found.status == "broken"
    assert "no model can be composed around latent=grid" in found.reason


def test_what_does_not_apply_says_why() -> None:
    found = judge(
        next(law for law in LAWS["decoder"] if law.name == "no blind spot"),
        subjects_of("decoder=conv", registry.load())[0],
    )
    assert (found.status, found.reason) == ("does not apply", "it does not offer 'autoregressive'")
    assert lines(found) == ["n/a     decoder=conv: no blind spot: it does not offer 'autoregressive'"]


def test_a_verdict_says_all() -> None:
    said = "\n".join(lines(judge(under(5), KIND)))
    for words in ("BROKEN  numbers=any: small", "Numbers are small.", "too large", "n = ", "below 5", "here"):
        assert words in said
    assert json.loads(msgspec.json.encode(judge(under(5), KIND)))["status"] == "broken"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("prior=nromal", "there is no prior nromal; .*did you mean normal"),
        ("priors=normal", "there are no laws for priors=normal.*kl=normal"),
        ("dataset=digits", "there are no laws for dataset=digits"),
        ("vaebenhc", "no package vaebenhc offers components; installed packages: vaebench"),
    ],
)
def test_unknown_subjects_are_refused_in_one_line(word: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        subjects_of(word, registry.load())
    with pytest.raises(UsageError, match=said):
        laws_for(word)


def test_a_package_is_known_by_its_name_and_its_module() -> None:
    known = with_parts(("latent", "grid", FlatCodes))
    names = {str(s) for s in subjects_of("tests", known)}
    assert names == {"latent=grid"}
    assert {str(s) for s in subjects_of("all", known)} > {
        str(s) for s in subjects_of("vaebench", registry.load())
    }
    assert str(subjects_of("kl=normal", known)[0]) == "kl=normal"


class Taking:
    """A part with every sort of parameter."""

    def __init__(
        self,
        *,
        sides: Annotated[int, Meta(ge=2, le=7, multiple_of=1, description="d")] = 5,
        width: Annotated[int, Meta(ge=1, description="d")] = 400,
        share: Annotated[float, Meta(gt=0, le=4, description="d")] = 0.25,
        form: Annotated[Literal["a", "b"], Meta(description="d")] = "b",
        on: bool = False,
        layers: Annotated[str, Meta(description="d", examples=["1x1"])] = "1",
        most: Annotated[int, Meta(ge=1, description="d")] | None = None,
        needed: Annotated[int, Meta(ge=10, lt=12, description="d")],
    ) -> None: ...


def test_parameters_are_tried_at_the_ends_of_their_ranges() -> None:
    found = extremes(Taking)
    assert found["sides"] == (3, 2, 5, 7)
    assert found["width"] == (3, 1, 2, 16)
    assert found["share"] == (0.25, 1e-3, 4)
    assert found["form"] == ("b", "a")
    assert found["on"] == (False, True)
    assert found["layers"] == ("1", "1x1", "2")
    assert None in found["most"]
    assert 1 in found["most"]
    assert found["needed"] == (10, 11)


@pytest.mark.parametrize(
    ("measured", "expected", "bad"),
    [
        (1.0, 1.0 + 1e-12, False),
        (1.0, 1.1, True),
        (float("nan"), 1.0, True),
        (float("inf"), float("inf"), False),
    ],
)
def test_closeness(measured: float, expected: float, bad: bool) -> None:
    if bad:
        with pytest.raises(LawBroken):
            close(measured, expected, "so")
    else:
        close(measured, expected, "so")
    with pytest.raises(LawBroken):
        close(torch.zeros(2), torch.zeros(1, 2), "so")


def test_chi_square_alarms_at_its_rate_and_sees_a_shift() -> None:
    p = torch.softmax(torch.randn(20, dtype=torch.float64), 0)
    for _ in range(300):
        agree(torch.bincount(p.multinomial(5000, True), minlength=20), p, "so")
    with pytest.raises(LawBroken, match="worst cell"):
        agree(torch.bincount(p.roll(1).multinomial(5000, True), minlength=20), p, "so")
    from scipy.stats import chi2

    assert chi2.sf(quantile(7), 7) == pytest.approx(ALARM)


def test_images_of_another_shape_are_refused_by_the_model() -> None:
    from vaebench.contracts import ImageShape
    from vaebench.testing.subject import rows

    subject = subjects_of("encoder=conv", registry.load())[0]
    model = subject.model(ImageShape(1, 4, 5, 17))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"\(1, 5, 5\) were given to a model of images \(1, 4, 5\)"):
        model(torch.zeros(2, 1, 5, 5, dtype=torch.uint8), rows(2))
