"""Every command prints where the encoding of its output lacks characters, and spells those."""

import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from vaebench.cli import group
from vaebench.cli.streams import spell_what_cannot_be_encoded, spelt
from vaebench.progress import Bar

ENCODINGS = ("ascii", "cp1252", "latin-1", "cp437", "utf-8")
EVERYTHING = """
import sys
from vaebench.cli import group, main
from vaebench import registry
lines = [["--help"], ["list"], ["list", "recipes"], ["list", "tracks"]]
lines += [[name, "--help"] for name in group.commands]
lines += [["show", f"{r.entry.kind}={r.entry.name}"] for r in registry.load().entries()]
lines += [["show", "obj=nothing\\u2264"], ["run", "--compose", "enc=\\u03c3"], ["sample", "\\u221e"]]
for words in lines:
    sys.argv = ["vaebench", *words]
    try:
        main()
    except SystemExit as left:
        if left.code and not words[-1].isascii() or not left.code:
            continue
        raise
"""


def environment(encoding: str) -> dict[str, str]:
    return {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "100"}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_every_command_prints(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING], capture_output=True, env=environment(encoding), check=False
    )
    out, err = (each.decode(encoding) for each in (done.stdout, done.stderr))
    assert done.returncode == 0, err[-500:]
    assert "Burda et al. 2016" in out
    assert "unexpected" not in err
    assert "there is no objective nothing" in err
    assert ("≤" in err) == (encoding == "utf-8")


@given(st.characters())
def test_a_character_is_spelt_in_ascii(char: str) -> None:
    assert spelt(char).isascii()
    assert not char.isascii() or spelt(char) == char


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("2×3 − 4 ± ½", "2x3 - 4 +/- 1/2"),
        ("−log (1/K) Σ_k p(x)", "-log (1/K) Sigma_k p(x)"),
        ("σ² ≤ β·γ", "sigma2 <= beta*gamma"),
        ("“é” … ‘ñ’ – w̃", "\"e\" ... 'n' - w"),
        ("漢", "?"),
    ],
)
def test_what_is_lacking_is_spelt_sensibly(text: str, near: str) -> None:
    assert "".join(map(spelt, text)) == near


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["a × b\n", "−∞ ≤ σ\n", "\udce4.png\n", "漢\n"])
def test_print_and_rich_never_fail(encoding: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    spell_what_cannot_be_encoded()
    print(text, end="")
    console = Console(file=stream, force_terminal=True, width=60)
    table = Table("a", "b")
    table.add_row(text.strip(), "±")
    console.print(table)
    with Bar(console) as bar:
        bar.say(text)
        bar.count("× " + text, 1, 2)
    stream.flush()
    if "\udce4" in text:
        assert written.getvalue().startswith(b"\xe4.png\n")
    elif encoding == "ascii":
        assert written.getvalue().isascii()


def test_json_is_the_same_in_every_encoding() -> None:
    words = [sys.executable, "-m", "vaebench", "show", "obj=iwae", "--json"]
    outs = {
        subprocess.run(words, capture_output=True, env=environment(encoding), check=True).stdout
        for encoding in ENCODINGS
    }
    assert len(outs) == 1
    assert "log" in json.loads(outs.pop())["says"]


def test_all_verbs_are_among_the_commands() -> None:
    assert {"run", "show", "leaderboard", "new-plugin"} <= set(group.commands)
