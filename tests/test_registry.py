"""The registry: nothing that one plugin does can hide another, and every refusal is one line."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.errors import UsageError, VaebenchError
from vaebench.hookspecs import KINDS, Entry
from vaebench.registry import NAME, Broken, Registered, Registry, discover, load
from vaebench.text import one_line

HEAD = """
from vaebench.hookspecs import Entry, hookimpl
"""
GOOD = """
@hookimpl
def vaebench_components():
    yield Entry("prior", "good-prior", "fake_absent.prior:Good", "a prior")

@hookimpl
def vaebench_datasets():
    return [Entry("dataset", "good-data", "fake_absent:data", "some data")]
"""


def hook(returns: str, name: str = "vaebench_components") -> str:
    return f"@hookimpl\ndef {name}():\n    return {returns}\n"


# A plugin's source, and the word that its reason must contain.
BROKEN = {
    "import": ("import fake_nowhere", "fake_nowhere"),
    "syntax": ("def f(:", "SyntaxError"),
    "exit": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "raise": ("raise ValueError('two\\nlines\\u2028three')", "two\\nlines"),
    "base": ("raise BaseException", "BaseException"),
    "interface": (f"VAEBENCH_INTERFACE = 99\n{GOOD}", "VAEBENCH_INTERFACE = 99: this vaebench has interface"),
    "no-hook": ("x = 1", "vaebench_components"),
    "misspelt": (hook("[]", "vaebench_componets"), "did you mean vaebench_components?"),
    "foreign-hook": (hook("[]", "something_else"), "something_else"),
    "unmarked": ("def vaebench_datasets():\n    return []", "vaebench_datasets is not marked"),
    "unmarked-too": (GOOD + "def vaebench_component():\n    return []", "vaebench_component "),
    "argument": ("@hookimpl\ndef vaebench_datasets(root):\n    return []", "root"),
    "hook-raises": (hook("1 / 0"), "ZeroDivisionError"),
    "hook-exits": (hook("exit()"), "SystemExit"),
    "hook-raises-late": ("@hookimpl\ndef vaebench_components():\n    yield 1 / 0", "ZeroDivisionError"),
    "none": (hook("None"), "returned None"),
    "no-list": (hook("3"), "TypeError"),
    "no-entry": (hook("[('prior', 'x', 'a:b', 'c')]"), "Entry is expected"),
    "kind": (hook("[Entry('priors', 'x', 'a:b', 'c')]"), "kind encoder or latent or prior"),
    "kind-of-other-hook": (hook("[Entry('dataset', 'x', 'a:b', 'c')]"), "kind encoder or latent or prior"),
    "name": (hook("[Entry('prior', 'X,y=1', 'a:b', 'c')]"), "X,y=1"),
    "name-type": (hook("[Entry('prior', 3, 'a:b', 'c')]"), "a name is"),
    "target": (hook("[Entry('prior', 'x', 'a.b', 'c')]"), "module:attribute"),
    "target-space": (hook("[Entry('prior', 'x', 'a: b', 'c')]"), "module:attribute"),
    "target-twice": (hook("[Entry('prior', 'x', 'a:b:c', 'c')]"), "module:attribute"),
    "summary": (hook("[Entry('prior', 'x', 'a:b', 'two\\nlines')]"), "one line"),
    "second-entry": (hook("[Entry('prior', 'x', 'a:b', 'c'), None]"), "None"),
}


class Site:
    """A folder on sys.path into which distributions are put as an installer would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, source: str, version: str = "1.0") -> None:
        module = f"fake_{package.replace('-', '_')}"
        (self.folder / f"{module}.py").write_text(HEAD + dedent(source))
        info = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[vaebench]\nplug = {module}\n")

    def registry(self) -> Registry:
        return discover(distributions(path=[str(self.folder)]))


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("fake_"):
            del sys.modules[name]


def offered(registry: Registry) -> set[tuple[str, str]]:
    return {(r.entry.kind, r.entry.name) for r in registry.entries()}


GOOD_ENTRIES = {("prior", "good-prior"), ("dataset", "good-data")}


def test_an_entry_knows_the_package_that_offers_it(site):
    site.install("good", GOOD, "2.5")
    registry = site.registry()
    assert offered(registry) == GOOD_ENTRIES
    assert registry.broken == ()
    assert registry.duplicates == ()
    found = registry.get("prior", "good-prior")
    assert (found.package, found.version, found.entry.summary) == ("good", "2.5", "a prior")


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_hides_nothing(site, how, capsys):
    source, word = BROKEN[how]
    site.install("good", GOOD)
    site.install("bad", source)
    registry = site.registry()
    assert offered(registry) == GOOD_ENTRIES
    (broken,) = registry.broken
    assert (broken.plugin, broken.package) == ("plug", "bad")
    assert word in broken.reason
    assert broken.reason.splitlines() == [broken.reason]
    assert capsys.readouterr().out == ""


def test_all_broken_plugins_together_hide_nothing(site):
    for how, (source, _) in BROKEN.items():
        site.install(f"bad-{how}", source)
    site.install("good", GOOD)
    registry = site.registry()
    assert offered(registry) == GOOD_ENTRIES
    assert {broken.package for broken in registry.broken} == {f"bad-{how}" for how in BROKEN}


def test_an_interrupt_is_no_broken_plugin(site):
    site.install("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.registry()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[vaebench]\nno equals sign\n"),
        ("entry_points.txt", b"[vaebench]\nplug = \xff\xfe\n"),
        ("entry_points.txt", b"[vaebench]\nplug = ???\n"),
        ("METADATA", b"Version: 1.0\n"),
        ("METADATA", None),
    ],
)
def test_damaged_metadata_hides_nothing(site, file, content):
    site.install("good", GOOD)
    site.install("bad", GOOD.replace("good", "bad"))
    path = site.folder / "bad-1.0.dist-info" / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    registry = site.registry()
    assert offered(registry) >= GOOD_ENTRIES
    assert len(registry.broken) == 1
    assert registry.broken[0].reason.splitlines() == [registry.broken[0].reason]


def test_entry_points_of_other_groups_are_left_alone(site):
    site.install("other", "raise RuntimeError")
    info = site.folder / "other-1.0.dist-info"
    (info / "METADATA").write_bytes(b"damaged")
    (info / "entry_points.txt").write_text("[pytest11]\nplug = fake_other\n")
    site.install("both", GOOD)
    both = site.folder / "both-1.0.dist-info" / "entry_points.txt"
    both.write_text("[pytest11]\na = fake_other\n[vaebench]\nplug = fake_both\n[zzz]\nb = fake_other\n")
    registry = site.registry()
    assert registry.broken == ()
    assert offered(registry) == GOOD_ENTRIES


def test_what_a_plugin_prints_stays_off_stdout(site, capsys):
    site.install(
        "loud",
        """
        print("at import")
        @hookimpl
        def vaebench_components():
            print("in the hook")
            return [Entry("prior", "loud", "fake_loud_target:Loud", "prints")]
        """,
    )
    (site.folder / "fake_loud_target.py").write_text("print('at use')\nclass Loud: ...\n")
    assert site.registry().resolve("prior", "loud").__name__ == "Loud"
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.split("\n") == ["at import", "in the hook", "at use", ""]


def test_a_name_offered_twice_is_refused_naming_both_packages(site):
    site.install("first", GOOD)
    site.install("second", GOOD)
    registry = site.registry()
    assert registry.broken == ()
    assert [{r.package for r in same} for same in registry.duplicates] == [{"first", "second"}] * 2
    assert registry.names("prior") == ("good-prior",)
    with pytest.raises(UsageError, match=r"good-prior is offered by first 1\.0 .* and by second 1\.0 "):
        registry.get("prior", "good-prior")


def test_a_distribution_seen_twice_offers_once(site):
    site.install("good", GOOD)
    twice = [*distributions(path=[str(site.folder)]), *distributions(path=[str(site.folder)])]
    registry = discover(twice)
    assert registry.duplicates == ()
    assert offered(registry) == GOOD_ENTRIES


@pytest.mark.parametrize(
    ("target", "source", "word"),
    [
        ("fake_gone:X", None, "fake_gone"),
        ("fake_target:Gone", "x = 1", "Gone"),
        ("fake_target:x.y", "x = 1", "y"),
        ("fake_target:X", "import sys; sys.exit('bye')", "bye"),
        ("fake_target:X", "raise BaseException('a\\nb')", "a\\nb"),
        ("fake_target:X", "class (", "SyntaxError"),
    ],
)
def test_a_target_is_imported_when_used_and_fails_in_one_line(site, target, source, word):
    site.install("owner", hook(f"[Entry('prior', 'x', '{target}', 'c')]"))
    if source is not None:
        (site.folder / "fake_target.py").write_text(source)
    registry = site.registry()
    assert registry.broken == ()
    with pytest.raises(VaebenchError) as caught:
        registry.resolve("prior", "x")
    message = str(caught.value)
    assert message.splitlines() == [message]
    assert "owner 1.0" in message
    assert target in message
    assert word in message


def test_a_target_may_lie_inside_a_class_and_may_be_interrupted(site):
    site.install("owner", hook("[Entry('prior', 'x', 'fake_target:A.b', 'c')]"))
    target = site.folder / "fake_target.py"
    target.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.registry().resolve("prior", "x")
    target.write_text("class A:\n    b = 'found, though'\n")
    sys.modules.pop("fake_target", None)
    assert site.registry().resolve("prior", "x") == "found, though"


def test_a_missing_name_points_at_broken_packages_and_other_kinds():
    entry = Registered(Entry("latent", "topdown", "a:b", "c"), "p", "1")
    registry = Registry([entry], [Broken("plug", "vaebench-mine", "ImportError: no such thing")])
    with pytest.raises(UsageError) as caught:
        registry.get("encoder", "topdown")
    assert "vaebench-mine" in str(caught.value)
    assert "ImportError: no such thing" in str(caught.value)
    assert "kind latent" in str(caught.value)


names = st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) < 20)
registered = st.builds(
    Registered,
    st.builds(Entry, st.sampled_from(KINDS), names, st.just("a:b"), st.just("c")),
    st.sampled_from(["one", "two", "three"]),
    st.just("1.0"),
)


@settings(deadline=None)
@given(st.lists(registered, max_size=12), st.data())
def test_look_up_is_total_and_does_not_depend_on_order(offers, data):
    registry = Registry(offers)
    shuffled = Registry(data.draw(st.permutations(offers)))
    assert shuffled.entries() == registry.entries()
    assert [r.entry.kind for r in registry.entries()] == sorted(
        (r.entry.kind for r in offers), key=KINDS.index
    )
    doubled = {(same[0].entry.kind, same[0].entry.name) for same in registry.duplicates}
    for kind in KINDS:
        assert set(registry.names(kind)) == {r.entry.name for r in offers if r.entry.kind == kind}
        assert list(registry.names(kind)) == sorted(set(registry.names(kind)))
        for name in registry.names(kind):
            same = [r for r in offers if (r.entry.kind, r.entry.name) == (kind, name)]
            assert ((kind, name) in doubled) == (len(same) > 1)
            if len(same) == 1:
                assert registry.get(kind, name) == same[0]
            else:
                with pytest.raises(UsageError) as caught:
                    registry.get(kind, name)
                assert all(f"{r.package} {r.version}" in str(caught.value) for r in same)


@settings(deadline=None)
@given(st.lists(registered, max_size=6), st.one_of(st.sampled_from(KINDS), st.text()), st.text())
def test_an_unknown_name_is_refused_in_one_line_that_names_it(offers, kind, name):
    registry = Registry(offers)
    if name in registry.names(kind):
        return
    with pytest.raises(UsageError) as caught:
        registry.get(kind, name)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert one_line(name if kind in KINDS else kind) in message
    assert all(offer in message for offer in registry.names(kind))


@settings(deadline=None)
@given(names.filter(lambda name: len(name) > 3), st.data())
def test_a_slip_of_one_letter_is_answered_with_the_name(name, data):
    at = data.draw(st.integers(0, len(name) - 1))
    slip = name[:at] + name[at + 1 :]
    registry = Registry([Registered(Entry("prior", name, "a:b", "c"), "p", "1")])
    if slip != name:
        with pytest.raises(UsageError, match=rf"did you mean {name}\?"):
            registry.get("prior", slip)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), max_size=400))
def test_one_line_is_one_line_that_can_be_written(value):
    line = one_line(value)
    assert line.splitlines() in ([], [line])
    line.encode("utf-8")


def test_the_registry_is_read_once():
    assert load() is load()


def test_looking_things_up_imports_nothing_heavy():
    heavy = ("torch", "torchvision", "sklearn", "pandas", "matplotlib", "numpy")
    code = (
        "import sys, vaebench.registry, vaebench.composing.spec, vaebench.composing.parameters\n"
        "vaebench.registry.load()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
