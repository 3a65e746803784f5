"""The commands of the README and the documentation work as they stand; only training is cut short."""

import re
import shlex
from pathlib import Path

import pytest

from tests.command import call

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/**/*.md", "plugins/*/README.md")
    for path in sorted(ROOT.glob(pattern))
}
ELSEWHERE = ("mnist", "folder:", "cifar10")
"""Words of commands that need data which a clone does not have."""


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page that are marked with a language."""
    return re.findall(rf"^```(?:{language})\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def lines(page: str) -> list[str]:
    """The lines of a page's shell blocks, without comments of a line of their own."""
    each = [line for block in blocks(page, "sh|bash") for line in block.splitlines()]
    return [line for line in each if line.strip() and not line.startswith("#")]


def commands(page: str) -> list[list[str]]:
    """The words after ``vaebench`` of the commands that can be run here.

    A command that needs other data is left out, and with it what uses the folder that it would have written.
    """
    kept: list[list[str]] = []
    absent: list[str] = list(ELSEWHERE)
    for line in lines(page):
        words = shlex.split(line.split("&&")[-1], comments=True)
        if not words or Path(words[0]).name != "vaebench":
            continue
        if not any(word in line for word in absent):
            kept.append(words[1:])
        elif "--out" in words:
            absent.append(words[words.index("--out") + 1])
    return kept


WITH_COMMANDS = [name for name, page in PAGES.items() if commands(page)]


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with no data about."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAEBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


def verdicts(out: str) -> list[str]:
    """What is printed beside each score: by how much it is below the histogram, or above it."""
    return re.findall(r"the NLL is (\S+ (?:below|above)) it", out)


def test_a_score_above_the_histogram_would_be_seen() -> None:
    line = "histogram    2.4228 bits/dim per pixel: the NLL is 36.8% above it\n"
    assert verdicts(line + line.replace("above", "below")) == ["36.8% above", "36.8% below"]


def run_all(page: str, folder: Path, capfd: pytest.CaptureFixture[str], *, short: bool) -> list[str]:
    """Run a page's commands in order, and return their verdicts against the histogram.

    What sets up an environment before a command made this interpreter.
    """
    against: list[str] = []
    for recipe in blocks(page, "toml"):
        (folder / "mine.toml").write_text(recipe)
    for words in commands(page):
        if short and words[0] == "run" and "--resume" not in words:
            words = [*words, "--steps", "2", "--set", "fid_images=40", "--set", "samples=2"]
            words += ["--set", "fit.steps=2"] if any("prior=pixelcnn" in word for word in words) else []
        code = call(*words)
        printed = capfd.readouterr()
        assert code == 0, f"vaebench {shlex.join(words)}\n{printed.err}"
        against += [f"vaebench {shlex.join(words)}: {verdict}" for verdict in verdicts(printed.out)]
    return against


def test_ci_runs_the_readmes_test_command() -> None:
    (command,) = [line for line in lines(README) if "pytest -n" in line]
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_first_command_is_the_main_job() -> None:
    assert "vaebench run --compose enc=resnet,latent=topdown,prior=normal" in lines(README)[0]


def test_pages_with_commands_are_found() -> None:
    assert {"README.md", "docs/tutorial.md", "docs/using.md", "docs/howto/own-part.md"} <= set(WITH_COMMANDS)
    assert len(commands(PAGES["docs/using.md"])) >= 20


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_every_vaebench_command_runs(
    name: str, empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_all(PAGES[name], empty_folder, capfd, short=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_every_command_as_printed_beats_the_histogram(
    name: str, empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    against = run_all(PAGES[name], empty_folder, capfd, short=False)
    assert not [line for line in against if line.endswith("above")]
    assert against or name != "README.md"


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if blocks(page, "python")])
def test_python_blocks_run(name: str) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(PAGES[name], "python"):
        exec(compile(block, name, "exec"), namespace)


LINKS = [
    (name, target)
    for name, page in PAGES.items()
    for target in dict.fromkeys(re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", page))
]


@pytest.mark.parametrize(("name", "target"), LINKS, ids=lambda value: str(value))
def test_every_linked_file_is_there(name: str, target: str) -> None:
    assert (ROOT / name).parent.joinpath(target).exists()
