"""Parameters: text, typed value and annotation agree, whatever is given; refusals are one line."""

import inspect
import math
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from vaebench.composing.parameters import REQUIRED, Parameter, convert, parameters_of, text
from vaebench.errors import UsageError, VaebenchError
from vaebench.settings import SETTINGS_TABLES
from vaebench.text import CONTROL, one_line

finite = st.floats(allow_nan=False, allow_infinity=False)
integers = st.one_of(st.integers(-100, 100), st.integers())
words = st.text(max_size=30)


def built(hint: Any, default: Any = inspect.Parameter.empty) -> dict[str, Parameter]:
    """The parameters of a class whose constructor has one keyword-only argument ``value``."""

    def constructor(self, image, *, value): ...

    constructor.__annotations__ = {"image": int, "value": hint}
    if default is not inspect.Parameter.empty:
        constructor.__kwdefaults__ = {"value": default}
    return parameters_of(type("Component", (), {"__init__": constructor}))


def told(hint: Any, value: Any) -> Any:
    return convert("slot", built(hint), {"value": value})["value"]


def refused(hint: Any, value: Any) -> str:
    with pytest.raises(UsageError) as caught:
        told(hint, value)
    message = str(caught.value)
    assert message.splitlines() == [message]
    assert message.startswith(f"slot.value={one_line(value)}: ")
    assert message.endswith(" is expected")
    return message


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b


@st.composite
def bounded(draw, kind: type, values: st.SearchStrategy) -> tuple[Any, Any, Any]:
    """A hint of ``kind`` with two limits, which may exclude themselves, and those limits."""
    low, high = sorted((draw(values), draw(values)))
    lower, upper = draw(st.sampled_from(["ge", "gt"])), draw(st.sampled_from(["le", "lt"]))
    return Annotated[kind, Meta(**{lower: low, upper: high})], (lower, low), (upper, high)


def inside(value: Any, lower: tuple[str, Any], upper: tuple[str, Any]) -> bool:
    above = value >= lower[1] if lower[0] == "ge" else value > lower[1]
    return above and (value <= upper[1] if upper[0] == "le" else value < upper[1])


small = st.integers(-(2**62), 2**62)


@settings(deadline=None)
@given(
    st.one_of(
        st.tuples(st.just(int), integers),
        st.tuples(st.just(float), finite),
        st.tuples(st.just(bool), st.booleans()),
        st.tuples(st.just(str), words),
        st.tuples(st.just(Literal["a", "none of it", "1", 2, -3, True]), st.sampled_from(["a", "1", 2, -3])),
    ),
    st.sampled_from(["plain", "inner", "outer", "none"]),
)
def test_the_text_of_a_value_is_read_back_as_that_value(typed, form):
    base, value = typed
    described = Annotated[base, Meta(description="what it is")]
    hint = {"plain": base, "inner": described, "outer": Optional[described], "none": base | None}[form]  # noqa: UP045
    assume(not (isinstance(value, str) and value.casefold() == "none" and form in ("outer", "none")))
    got = told(hint, text(value))
    assert same(got, value)
    assert same(told(hint, value), value)
    assert text(got) == text(value)


@pytest.mark.parametrize("said", [None, "none", "None", "NONE"])
@pytest.mark.parametrize("base", [int, float, bool, str, Literal["a"]])
def test_none_is_none_where_it_is_allowed_and_only_there(base, said):
    assert told(base | None, said) is None
    assert built(base | None)["value"].accepts.endswith(", or none")
    assert not built(base)["value"].accepts.endswith(", or none")
    if base is str:
        assert told(str, said) == text(said)
    else:
        refused(base, said)


@settings(deadline=None)
@given(st.integers(-(2**53), 2**53))
def test_equal_numbers_have_one_text(value):
    for hint in (float, Annotated[float, Meta(ge=-1e300)]):
        assert text(told(hint, value)) == text(told(hint, float(value))) == text(told(hint, f"{value}.0"))
    assert text(0.0) == text(-0.0)


@settings(deadline=None)
@given(bounded(int, small), st.data())
def test_an_integer_is_accepted_exactly_inside_its_limits(limits, data):
    hint, lower, upper = limits
    edges = [lower[1], upper[1], lower[1] - 1, lower[1] + 1, upper[1] - 1, upper[1] + 1]
    value = data.draw(st.one_of(st.sampled_from(edges), integers))
    for said in (value, text(value)):
        if inside(value, lower, upper):
            assert same(told(hint, said), value)
        else:
            assert "an integer" in refused(hint, said)
            assert refused(hint | None, said).endswith(", or none is expected")


@settings(deadline=None)
@given(bounded(float, st.floats(-1e300, 1e300)), st.data())
def test_a_number_is_accepted_exactly_inside_its_limits(limits, data):
    hint, lower, upper = limits
    edges = [lower[1], upper[1], math.nextafter(lower[1], -math.inf), math.nextafter(upper[1], math.inf)]
    value = data.draw(st.one_of(st.sampled_from(edges), finite))
    for said in (value, text(value)):
        if math.isfinite(value) and inside(value, lower, upper):
            assert same(told(hint, said), value)
        else:
            assert "a number" in refused(hint, said)


@settings(deadline=None)
@given(finite, st.booleans())
def test_no_type_stands_for_another(number, truth):
    refused(int, number)  # not even 1.0
    refused(int, truth)
    refused(float, truth)
    for other in (0, 1, 0.0, 1.0, "0", "1", "yes", ""):
        refused(bool, other)
    for endless in (math.nan, math.inf, -math.inf, "nan", "inf", "-inf", "Infinity", "1e400", "9" * 400):
        refused(float, endless)
    for nested in ([1], {"a": 1}, (), b"1", object):
        refused(str, nested)
    assert told(bool, str(truth).upper()) is truth


@settings(deadline=None)
@given(
    st.sampled_from([int, float, bool, Literal["a", "b"], Annotated[int, Meta(ge=3, multiple_of=4)]]), words
)
def test_any_text_is_a_value_or_one_line(hint, said):
    try:
        value = told(hint, said)
    except UsageError:
        refused(hint, said)
    else:
        assert same(told(hint, text(value)), value)


@settings(deadline=None)
@given(st.integers(-50, 50))
def test_every_limit_that_is_checked_is_said(value):
    hint = Annotated[int, Meta(ge=-20, lt=20, multiple_of=4)]
    accepts = built(hint)["value"].accepts
    assert accepts == "an integer >= -20 and < 20 and a multiple of 4"
    if -20 <= value < 20 and value % 4 == 0:
        assert told(hint, value) == value
    else:
        assert accepts in refused(hint, value)


def test_what_is_accepted_is_said_in_words():
    said = {
        "an integer >= 1": Annotated[int, Meta(ge=1)],
        "a number > 0, or none": Annotated[float, Meta(gt=0)] | None,
        "true or false": bool,
        "text": str,
        "text matching ^a+$": Annotated[str, Meta(pattern="^a+$")],
        "one of adamw, adam, adamax": Literal["adamw", "adam", "adamax"],
    }
    assert {phrase: built(hint)["value"].accepts for phrase, hint in said.items()} == {p: p for p in said}


Width = Annotated[int, Meta(ge=1, description="channels")]
Rate = Annotated[float, Meta(gt=0, description="learning rate")] | None


class Component:
    def __init__(self, image: int, depth: int = 3, *, width: Width, rate: Rate = 1) -> None: ...


class Inherits(Component):
    pass


def function(root: str, *, width: Width, rate: Rate = 1) -> None: ...


class Struct(msgspec.Struct, kw_only=True):
    width: Width
    rate: Rate = 1


@pytest.mark.parametrize("target", [Component, Inherits, function, Struct])
def test_classes_functions_and_structs_are_read_alike(target):
    width, rate = parameters_of(target).values()
    assert (width.name, width.meaning, width.accepts) == ("width", "channels", "an integer >= 1")
    assert width.default is REQUIRED
    assert (rate.name, rate.meaning, rate.accepts) == ("rate", "learning rate", "a number > 0, or none")
    assert same(rate.default, 1.0)


def test_a_class_without_a_constructor_has_no_parameters():
    assert parameters_of(type("Bare", (), {})) == {}


@settings(deadline=None)
@given(words)
def test_an_unknown_name_is_refused_with_what_there_is(name):
    parameters = parameters_of(Component)
    assume(name not in parameters)
    for part in ("resnet", ""):
        with pytest.raises(UsageError) as caught:
            convert("enc", parameters, {"width": 1, name: 1}, part)
        message = str(caught.value)
        assert message.splitlines() == [message]
        assert message.startswith(f"enc.{one_line(name)}: {part}")
        assert "width, rate" in message


def test_a_slip_is_answered_with_the_name():
    with pytest.raises(UsageError) as caught:
        convert("enc", parameters_of(Component), {"widht": "64"}, "resnet")
    assert str(caught.value) == (
        "enc.widht: resnet has no such parameter; parameters are width, rate (did you mean width?)"
    )
    with pytest.raises(UsageError, match=r"^widht: there is no such parameter; .*did you mean width\?"):
        convert("", parameters_of(Struct), {"widht": "64"})


def test_what_is_required_must_be_given_and_defaults_are_left_alone():
    with pytest.raises(UsageError, match=r"^enc\.width is missing: an integer >= 1 is expected$"):
        convert("enc", parameters_of(Component), {"rate": 1})
    assert convert("enc", parameters_of(Component), {"rate": "none", "width": "2"}) == {
        "width": 2,
        "rate": None,
    }
    assert convert("enc", parameters_of(Component), {"width": "2"}) == {"width": 2}


@pytest.mark.parametrize(
    "hint",
    [
        list[int],
        dict,
        int | str,
        int | float | None,
        None,
        Any,
        "Unknown",
        Annotated[str, Meta(ge=1)],
        Annotated[int, Meta(ge=0.5)],
        Literal[b"a"],
        Literal["1", 1],
        Literal["none"] | None,
    ],
)
def test_an_annotation_that_no_one_can_check_is_the_authors_to_mend(hint):
    with pytest.raises(VaebenchError) as caught:
        built(hint)
    assert not isinstance(caught.value, UsageError)
    assert "Component" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (Width, 0),
        (Width, None),
        (Width, 1.5),
        (Width, True),
        (bool, 1),
        (float, math.nan),
        (Literal["a"], "b"),
        (str | None, "none"),
        (str, (1, 2)),
    ],
)
def test_a_default_keeps_to_its_own_range(hint, default):
    with pytest.raises(VaebenchError, match=r"value of .*Component has the default"):
        built(hint, default)


@pytest.mark.parametrize("target", [3, "text", None, math, print])
def test_what_has_no_readable_arguments_is_refused(target):
    with pytest.raises(VaebenchError) as caught:
        parameters_of(target)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("room", SETTINGS_TABLES)
def test_every_setting_has_a_meaning_and_a_default_that_text_can_say(room):
    for parameter in parameters_of(room).values():
        assert parameter.meaning
        assert parameter.accepts
        assert not CONTROL.search(parameter.meaning)
        given_back = convert("", parameters_of(room), {parameter.name: text(parameter.default)})
        assert same(given_back[parameter.name], getattr(room(), parameter.name))
