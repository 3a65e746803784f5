"""Specs: text and table agree, order and synonyms do not matter, and the canonical text is the identity."""

import copy
import pickle
import tomllib
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vaebench.composing import spec as spec_module
from vaebench.composing.slots import SLOTS
from vaebench.composing.spec import Choice, DataSpec, Spec, check_names, from_table, parse, parse_data
from vaebench.errors import UsageError
from vaebench.hookspecs import Entry
from vaebench.registry import Registered, Registry
from vaebench.text import CONTROL

LONG = {**SLOTS, "latent": "latents"}

names = st.builds(str.__add__, st.sampled_from("abz"), st.text("az09-", max_size=5))
parameters = st.builds(str.__add__, st.sampled_from("abZ_"), st.text("aZ09_", max_size=5))
pieces = (
    st.text(max_size=8)
    .map(lambda piece: CONTROL.sub("", piece).replace(",", "").strip())
    .filter(lambda piece: piece)
)
values = st.one_of(
    st.builds(
        lambda first, rest: ",".join([first, *(p.replace("=", "") or "x" for p in rest)]),
        pieces,
        st.lists(pieces, max_size=3),
    ),
    st.sampled_from(["1x1,4m1,4x2", "C:\\a=b", "=", "none", "-0.0", "名=é", "a b"]),
).filter(lambda value: all(piece.strip() for piece in value.split(",")))
choices = st.builds(Choice, st.none() | names, st.dictionaries(parameters, values, max_size=3)).filter(
    lambda choice: choice.name is not None or choice.parameters
)
specs = st.builds(Spec, st.dictionaries(st.sampled_from(list(SLOTS)), choices, min_size=1))

junk = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [*"==,,. :é-\n\x00\ud800", "enc", "encoder", "latent", "prior", "resnet", "width", "name", "64"]
        ),
        max_size=16,
    ).map("".join),
)


def refusal(call, *arguments) -> str:
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert message.splitlines() == [message]
    message.encode("utf-8")
    return message


def said(spec: Spec, slot_names=SLOTS) -> list[str]:
    """The settings of a spec, each as it may be said, with the slots' short or long names."""
    called = {slot: slot if slot_names is SLOTS else LONG[slot] for slot in SLOTS}
    return [
        setting
        for slot, choice in spec.choices.items()
        for setting in (
            *([f"{called[slot]}={choice.name}"] if choice.name else []),
            *(f"{called[slot]}.{name}={value}" for name, value in choice.parameters.items()),
        )
    ]


@settings(deadline=None)
@given(specs)
def test_the_text_of_a_spec_is_read_back_as_that_spec(spec):
    again = parse(str(spec))
    assert again == spec
    assert hash(again) == hash(spec)
    assert str(again) == str(spec)
    assert pickle.loads(pickle.dumps(spec)) == spec == copy.deepcopy(spec)
    for choice in spec.choices.values():
        assert pickle.loads(pickle.dumps(choice)) == choice


@settings(deadline=None)
@given(specs, st.data())
def test_order_synonyms_and_spaces_do_not_matter(spec, data):
    short = data.draw(st.permutations(said(spec)))
    long = data.draw(st.permutations(said(spec, LONG)))
    for said_otherwise in (parse(",".join(short)), parse(",".join(long))):
        assert said_otherwise == spec
        assert hash(said_otherwise) == hash(spec)
        assert str(said_otherwise) == str(spec)
    spaced = " , ".join(setting.replace("=", " = ", 1).replace(".", " . ", 1) for setting in short)
    if all("." not in setting.partition("=")[2] for setting in short):
        assert parse(f"  {spaced} ") == spec


@settings(deadline=None)
@given(specs, st.booleans())
def test_text_and_table_agree(spec, long):
    called = LONG if long else {slot: slot for slot in SLOTS}
    table = {
        called[slot]: {**({"name": c.name} if c.name else {}), **c.parameters}
        if c.parameters or not c.name
        else c.name
        for slot, c in spec.choices.items()
    }
    assert from_table(table) == spec
    nested = {called[slot]: {"name": c.name, **c.parameters} for slot, c in spec.choices.items() if c.name}
    if len(nested) == len(spec.choices):
        assert from_table(dict(reversed(nested.items()))) == spec


def test_a_recipe_means_what_the_command_line_means():
    table = tomllib.loads(
        """
        encoder = "resnet"
        latent = { name = "topdown", blocks = "1x1, 4m1,4x2", width = 64, tie = true, scale = 0.5 }
        prior.count = 500
        """
    )
    line = "prior.count=500,latent.width=64,latent.scale=0.5,latent.tie=true,enc=resnet,latents=topdown"
    assert from_table(table) == parse(f"{line},latent.blocks=1x1,4m1, 4x2")


@settings(deadline=None)
@given(st.sampled_from(list(SLOTS)), st.text(max_size=8), st.text(max_size=12))
@example("enc", "width", "a,b=c")
@example("enc", "width", " a , b ")
@example("enc", "width", "a,,b")
@example("enc", "width", "a,")
@example("enc", "width", "")
@example("enc", "a.b", "1")
@example("enc", "name", "resnet")
@example("enc", "", "1")
def test_what_no_text_can_say_is_refused_or_comes_back(slot, parameter, value):
    for make in (
        lambda: Spec({slot: Choice("part", {parameter: value})}),
        lambda: from_table({slot: {parameter: value}}),
        lambda: Spec({slot: Choice(parameter)}),
        lambda: DataSpec("folder", value, {parameter: value}),
        lambda: DataSpec(parameter),
    ):
        try:
            made = make()
        except UsageError:
            refusal(make)
        else:
            assert (parse if isinstance(made, Spec) else parse_data)(str(made)) == made


@settings(deadline=None, max_examples=300)
@given(junk)
@example("enc=a,encoder=b")
@example("enc.=3")
@example("enc.=3,enc=a")
@example("=")
@example(".=1")
def test_any_text_is_a_spec_or_one_line(text):
    for read in (parse, parse_data):
        try:
            spec = read(text)
        except UsageError:
            refusal(read, text)
        else:
            assert read(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the composition is empty"),
        (" ", "the composition is empty"),
        ("enc=mlp,,dec=mlp", "a piece between commas is empty"),
        ("enc=mlp,", "a piece between commas is empty"),
        ("encc=mlp", "no slot encc; slots are enc, latent, prior, dec, lik, obj (did you mean enc?)"),
        (
            "decodr.width=1",
            "no slot decodr; slots are enc, latent, prior, dec, lik, obj (did you mean decoder?)",
        ),
        ("enc=mlp,encoder=conv", "encoder is given twice: mlp and conv"),
        ("enc.width=1,encoder.width=1", "encoder.width is given twice: 1 and 1"),
        ("enc.width=", "enc.width=: a value is missing"),
        ("enc.width=,enc=mlp", "enc.width=: a value is missing"),
        ("enc=", "enc=: a value is missing"),
        ("enc.=3,enc=mlp", "enc.: a parameter is written slot.parameter"),
        ("enc.a.b=1", "enc.a.b: a parameter is written slot.parameter, with one dot"),
        ("enc.name=mlp", "enc.name: the name of a component is written enc=name"),
        ("enc=Conv_Net", "enc=Conv_Net: a name is lowercase letters, digits and hyphens"),
        ("latent=ema_vq", "(did you mean ema-vq?)"),
        ("enc=mlp\n", "control characters"),
    ],
)
def test_what_is_wrong_is_named(text, words):
    assert words in refusal(parse, text)


PARTS = Registry(
    Registered(Entry(kind, name, "a:b", "c"), "p", "1")
    for kind, name in [
        ("encoder", "resnet"),
        ("decoder", "resnet"),
        ("latent", "topdown"),
        ("dataset", "mnist"),
    ]
)


def test_a_word_alone_is_told_its_slot(monkeypatch):
    monkeypatch.setattr(spec_module, "load", lambda: PARTS)
    assert "topdown has no slot: write latent=topdown" in refusal(parse, "enc=resnet,topdown")
    assert "write enc=resnet or dec=resnet" in refusal(parse, "resnet")
    assert "did you mean topdown?" in refusal(parse, "latent=topdown,topdwn")
    assert "slot=name" in refusal(parse, "mnist")
    assert parse("latent.blocks=1,topdown").choices["latent"].parameters == {"blocks": "1,topdown"}


def test_names_are_checked_against_what_is_offered():
    check_names(parse("enc=resnet,latent=topdown,dec=resnet,prior.count=3"), PARTS)
    assert "no encoder topdown" in refusal(check_names, parse("enc=topdown"), PARTS)
    assert "did you mean topdown?" in refusal(check_names, parse("enc=resnet,latent=topdwon"), PARTS)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "empty"),
        ({"enc": {}}, "enc: a name or a parameter is expected"),
        ({"encc": {}}, "encc"),
        ({"enc": "mlp", "encoder": "mlp"}, "encoder is given twice"),
        ({"enc": ["mlp"]}, "enc=['mlp']: text, a number, true or false is expected"),
        ({"enc": {"width": {"a": 1}}}, "enc.width={'a': 1}: text, a number"),
        ({"enc": {"width": "1,b=2"}}, "enc.width=1,b=2: a value cannot contain = after a comma"),
        ({"enc": 3}, "enc=3: a name is"),
        ("enc=mlp", "a table of slots is expected"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(table, words):
    assert words in refusal(from_table, table)


def test_a_spec_cannot_be_changed():
    spec = parse("enc=mlp,enc.width=3")
    with pytest.raises(FrozenInstanceError):
        spec.choices = {}
    with pytest.raises(TypeError):
        spec.choices["enc"] = Choice("conv")
    with pytest.raises(TypeError):
        spec.choices["enc"].parameters["width"] = "4"
    table = {"width": 1}
    choice = Choice("mlp", table)
    table["width"] = 2
    assert choice == Choice("mlp", {"width": "1"})


arguments = st.text(min_size=1, max_size=20).map(lambda path: CONTROL.sub("", path).strip())


@settings(deadline=None)
@given(
    names,
    st.none() | arguments.filter(lambda path: path and "=" not in path),
    st.dictionaries(parameters, arguments.filter(lambda value: value and "=" not in value), max_size=3),
    st.data(),
)
def test_the_text_of_a_data_spec_is_read_back(name, argument, told, data):
    spec = DataSpec(name, argument, told)
    again = parse_data(str(spec))
    assert again == spec
    assert hash(again) == hash(spec)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert (again.name, again.argument, dict(again.parameters)) == (name, argument, told)
    head = name if argument is None else f"{name}:{argument}"
    if argument is not None:
        assert parse_data(f" {name} : {argument} ").argument == argument
    settings_said = data.draw(st.permutations([f", {key} = {value}" for key, value in told.items()]))
    assert parse_data(head + "".join(settings_said)) == spec


def test_a_path_keeps_its_colons_and_commas():
    spec = parse_data("folder:C:\\data, old,size=64, grey = true")
    assert (spec.name, spec.argument) == ("folder", "C:\\data, old")
    assert spec.parameters == {"size": "64", "grey": "true"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the data set is missing"),
        ("mnist:", "mnist: a value is missing"),
        ("mnist,size=", "size= a value is missing"),
        ("mnist,size=1,size=2", "size is given twice: 1 and 2"),
        ("mnist,binary", "mnist,binary: a name is"),
        ("MNIST", "did you mean mnist?"),
        ("folder:a\nb", "control characters"),
    ],
)
def test_what_is_wrong_in_data_is_named(text, words):
    assert words in refusal(parse_data, text)
