"""Every command of the README, as it is printed, trains a model that is better than a histogram.

``pytest -m slow tests/test_readme_as_printed.py`` trains for minutes; a plain ``pytest`` leaves that out.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = ("mnist", "cifar10", "folder:", "fashion")
"""Words of commands for data that a clone does not have."""


def commands(text: str) -> list[str]:
    """The lines of a page's shell blocks that call vaebench, as printed."""
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
    lines = [
        line.removeprefix("$ ").split("&&")[-1].strip() for block in blocks for line in block.splitlines()
    ]
    calls = [shlex.split(line, comments=True) for line in lines]
    return [shlex.join(words) for words in calls if words and Path(words[0]).name == "vaebench"]


def verdicts(out: str) -> list[str]:
    """What is said of each score: so much below the histogram, or above it."""
    return re.findall(r"the NLL is (\S+ (?:below|above)) it", out)


def test_a_score_above_the_histogram_would_be_seen() -> None:
    said = "histogram    2.4228 bits/dim per pixel: the NLL is 36.8% above it\n"
    assert verdicts(said + said.replace("above", "below")) == ["36.8% above", "36.8% below"]
    found = commands("```sh\npip install x && .venv/bin/vaebench run --steps 2  # two\nls\n```\n")
    assert found == [".venv/bin/vaebench run --steps 2"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_printed_score_beats_the_histogram(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "slow" not in request.config.getoption("-m"):
        pytest.skip("trains for minutes: give -m slow")
    text = page.read_text(encoding="utf-8")
    for number, recipe in enumerate(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)):
        (tmp_path / ("mine.toml" if number == 0 else f"{number}.toml")).write_text(recipe)
    environment = {**os.environ, "VAEBENCH_DATA": str(tmp_path / "data")}
    scored, worse = 0, []
    for line in commands(text):
        words = shlex.split(line)[1:]
        if words[0] not in ("run", "refit", "eval") or any(need in line for need in NEEDS):
            continue
        ended = subprocess.run(
            [sys.executable, "-m", "vaebench", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        said = verdicts(ended.stdout)
        scored += len(said)
        worse += [f"{line}: {each}" for each in said if each.endswith("above")]
    assert not worse, "\n".join(worse)
    assert scored or page.name != "README.md"
