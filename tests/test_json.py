"""Every JSON that is written parses strictly: a number that is none is null, whatever went wrong."""

import ast
import json
import math
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaebench
from tests.command import call
from vaebench.storage.strict_json import strict

PACKAGE = Path(vaebench.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
FLAT = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,dec=mlp,dec.hidden=8,lik=categorical"


def parsed(text: str | bytes) -> Any:
    """What a parser reads that knows no NaN."""

    def refused(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refused)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def nulled(value: Any) -> Any:
    """The value with None for each float that JSON lacks."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: nulled(inner) for key, inner in value.items()}
        case list():
            return [nulled(inner) for inner in value]
    return value


@given(VALUES, st.none() | st.just(2))
def test_text_is_strict_and_says_all_but_what_json_lacks(value: Any, indent: int | None) -> None:
    text = strict(value, indent=indent)
    assert parsed(text) == nulled(value)
    assert text.isascii()


def loose(tree: ast.AST) -> list[int]:
    """Lines that hand out Python's own ``json.dumps`` without forbidding NaN, under whatever name."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "json":
            found += [
                node.lineno for alias in node.names if not alias.name.startswith(("load", "JSONDecode"))
            ]
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if node.value.id == "json" and node.attr in ("dumps", "dump", "JSONEncoder"):
            found.append(node.lineno)
    strict_calls = [
        node.func.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and any(
            word.arg == "allow_nan" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in node.keywords
        )
    ]
    return [line for line in found if line not in strict_calls]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_file_writes_json_that_may_hold_nan(path: Path) -> None:
    assert not loose(ast.parse(path.read_text(encoding="utf-8"))), (
        "vaebench.storage.strict_json.strict writes JSON"
    )


@pytest.mark.parametrize(
    "code",
    [
        "json.dumps(x)",
        "json.dump(x, f)",
        "from json import dumps",
        "json.dumps(x, allow_nan=True)",
        "f(json.dumps)",
    ],
)
def test_a_loose_writer_would_be_seen(code: str) -> None:
    assert loose(ast.parse(code))
    assert not loose(ast.parse("json.dumps(x, allow_nan=False); json.loads(x)"))


def test_a_diverging_run_tells_of_it_in_strict_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vaebench.progress.Events.every", 0.0)
    words = ("--steps", 60, "--set", "lr=1e30", "--set", "clip=0", "--set", "warmup=0", "--set", "ema=0")
    words = (*words, "--set", "samples=1", "--set", "extractor=off", "--set", "skip_limit=3")
    code = call("run", "--compose", FLAT, *words, "--progress", "json", "--out", tmp_path / "run")
    lines = capsys.readouterr().err.splitlines()
    events = [parsed(line) for line in lines if not line.startswith("vaebench: ")]
    assert code == 3, lines[-1]
    assert None in [event["loss"] for event in events if event["event"] == "step"]
    for file in (tmp_path / "run").glob("*.json"):
        parsed(file.read_bytes())
