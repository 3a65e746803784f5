"""What an open slot means does not depend on which packages are installed beside."""

import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_registry import GOOD, Site
from vaebench import registry
from vaebench.composing import resolve as compose
from vaebench.composing.defaults import filled
from vaebench.composing.spec import SLOTS, parse
from vaebench.contracts import Component, ImageShape, Prior
from vaebench.errors import UsageError, VaebenchError
from vaebench.hookspecs import Entry
from vaebench.registry import OWN, WITHOUT, Registered, Registry, discover

GREY, BINARY, COLOUR = ImageShape(1, 8, 8, 256), ImageShape(1, 8, 8, 2), ImageShape(3, 32, 32, 256)
BUILT_IN = [each for each in registry.load().entries() if each.package == OWN]
OPEN = ["enc=mlp", "enc=conv", "latent=gaussian", "latent=topdown", "latent=vq", "enc=none", "dec=pixelcnn"]
OPEN += ["enc=vdvae", "prior=mog", "obj=iwae", "lik=bernoulli"]


class Agreeable(Component):
    """Offers everything that any built-in part needs, and needs nothing."""

    offers: ClassVar[frozenset[str]] = frozenset(
        [
            "real",
            "codes",
            "nothing",
            "density",
            "own-root",
            "pyramid",
            "single",
            "autoregressive",
            "unconditional",
        ]
    )


class Suggesting(Agreeable):
    """Suggests a prior that is not on offer."""

    suggests: ClassVar[Mapping[str, str]] = {"prior": "elsewhere"}


class After(Prior):
    """Is fitted after the rest, whose latents a normal rules meanwhile."""

    fitted = "after"
    stand_in = "normal"
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"latent": frozenset({"real"})}


def stranger(kind: str, name: str, target: str = "Agreeable", package: str = "a-stranger") -> Registered:
    return Registered(Entry(kind, name, f"{__name__}:{target}", "theirs"), package, "1.0")


def named(text: str) -> dict[str, str]:
    return {slot: choice.name for slot, choice in parse(text).choices.items() if choice.name}


kinds = st.sampled_from(sorted(SLOTS.values()))
strangers = st.lists(
    st.builds(
        stranger,
        kinds,
        st.sampled_from(
            ["a", "aaa", "normal", "own", "mog", "gaussian", "topdown", "resnet", "zzz", "elbo", "none"]
        ),
        st.sampled_from(["Agreeable", "Suggesting", "Nowhere"]),
        st.sampled_from(["a-stranger", "zz-stranger"]),
    ),
    max_size=8,
)


@given(strangers, st.sampled_from(OPEN), st.sampled_from([GREY, BINARY, COLOUR]))
def test_a_stranger_changes_no_default_or_the_name_is_refused(
    others: list[Registered], text: str, image: ImageShape
) -> None:
    alone = filled(named(text), image, Registry(BUILT_IN))
    beside = Registry([*BUILT_IN, *others])
    shadowed = {(each.entry.kind, each.entry.name) for each in others}
    if all((SLOTS[slot], name) not in shadowed for slot, name in alone.items()):
        assert filled(named(text), image, beside) == alone
    else:
        with pytest.raises(UsageError, match=r"is offered by .* and by .*; keep one: pip uninstall"):
            filled(named(text), image, beside)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("enc=mlp,latent=gaussian", "prior", "normal"),
        ("enc=mlp", "latent", "gaussian"),
        ("latent=gaussian", "encoder", "resnet"),
        ("enc=conv", "decoder", "conv"),
        ("enc=mlp", "likelihood", "logistic-mixture"),
        ("enc=mlp", "objective", "elbo"),
        ("latent=vq", "prior", "pixelcnn"),
        ("enc=vdvae", "prior", "own"),
    ],
)
def test_an_ambiguous_default_is_refused_with_the_remedy(text: str, kind: str, name: str) -> None:
    beside = Registry([*BUILT_IN, stranger(kind, name)])
    with pytest.raises(UsageError) as caught:
        compose.resolve(parse(text), beside, GREY)
    message = str(caught.value)
    assert "is left open, and its default is ambiguous" in message
    assert f"{kind} {name} is offered by a-stranger 1.0" in message
    assert message.endswith(f"pip uninstall a-stranger, or ignore it with {WITHOUT}=a-stranger")
    assert "\n" not in message


def test_an_ambiguous_stand_in_is_refused() -> None:
    after = stranger("prior", "after", "After")
    assert compose.resolve(parse("enc=mlp,prior=after"), Registry([*BUILT_IN, after]), GREY).stand_in
    with pytest.raises(UsageError, match="prior normal is offered by"):
        compose.resolve(
            parse("enc=mlp,prior=after"), Registry([*BUILT_IN, after, stranger("prior", "normal")]), GREY
        )


@pytest.mark.parametrize(("kind", "name"), [("dataset", "digits"), ("extractor", "digits")])
def test_an_ambiguous_data_set_or_extractor_is_refused(kind: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"{kind} {name} is offered by .*{WITHOUT}=a-stranger"):
        Registry([*BUILT_IN, stranger(kind, name)]).resolve(kind, name)


def test_a_suggestion_that_is_not_on_offer_or_broken_is_refused() -> None:
    latent = stranger("latent", "theirs", "Suggesting")
    with pytest.raises(UsageError, match=r"prior is left open.*there is no prior elsewhere"):
        filled({"latent": "theirs", "enc": "mlp"}, GREY, Registry([*BUILT_IN, latent]))
    broken = stranger("prior", "elsewhere", "Nowhere")
    with pytest.raises(VaebenchError, match=r"prior elsewhere of a-stranger .* cannot be loaded"):
        filled({"latent": "theirs", "enc": "mlp"}, GREY, Registry([*BUILT_IN, latent, broken]))
    whole = stranger("prior", "elsewhere")
    found = filled({"latent": "theirs", "enc": "mlp"}, GREY, Registry([*BUILT_IN, latent, whole]))
    assert found["prior"] == "elsewhere"


def test_a_registry_leaves_packages_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    site.install("Some_Package", GOOD)
    installed = list(distributions(path=[str(tmp_path)]))
    assert discover(installed).entries()
    assert discover(installed, ["other"]).entries()
    assert discover(installed, ["some-package"]).entries() == ()


@pytest.fixture
def fresh() -> Iterator[None]:
    registry.load.cache_clear()
    yield
    registry.load.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("said", ["vaebench-nvae", "Vaebench_NVAE , other", "vaebench"])
def test_a_package_is_left_out_where_that_is_asked_for(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {each.package for each in registry.load().entries()}
    registry.load.cache_clear()
    monkeypatch.setenv(WITHOUT, said)
    left = before if said == "vaebench" else before - {"vaebench-nvae"}
    assert {each.package for each in registry.load().entries()} == left
    assert "vaebench" in left
    assert __name__ in sys.modules
