"""Tracks: the shipped ones compose, with one budget for every entry; what is wrong is said plainly."""

import tomllib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench import registry
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse, parse_data
from vaebench.contracts import ImageShape
from vaebench.errors import UsageError
from vaebench.requests import tracks

KNOWN = registry.load()
SHIPPED = tracks.shipped()
IMAGES = {
    "digits": ImageShape(1, 8, 8, 17),
    "mnist-binary": ImageShape(1, 28, 28, 2),
    "fashion-mnist": ImageShape(1, 28, 28),
    "cifar10": ImageShape(3, 32, 32),
}
GOOD = """
summary = "a track"
data = "digits"
seeds = [0, 1]
base = "enc=mlp,latent=gaussian"
[budget]
images = 1000
batch = 64
lr = 1e-3
[scoring]
samples = 10
[[entries]]
compose = "enc=mlp"
why = "plain"
[[entries]]
compose = "enc=conv"
why = "convolutions"
set = { lr = 1e-2 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_of_a_shipped_track_composes(name: str) -> None:
    track = tracks.read(SHIPPED[name])
    image = IMAGES[str(parse_data(track.data))]
    assert track.base
    resolve(parse(track.base), KNOWN, image)
    canonical = set()
    for entry in track.entries:
        with torch.device("meta"):
            composition = resolve(parse(entry.compose), KNOWN, image)
            composition.build(track.training)
        canonical.add((str(composition.spec), repr(entry.set)))
        assert 10 < len(entry.why) < 110
    assert len(canonical) == len(track.entries), "two entries are the same composition"
    assert 10 < len(tracks.summary(SHIPPED[name])) < 125


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_of_a_shipped_track_has_the_same_budget(name: str) -> None:
    track = tracks.read(SHIPPED[name])
    asked = [track.request(entry, fitted=False) for entry in track.entries]
    budgets = {(request.training.steps or 0) * request.training.batch for request in asked}
    assert budgets == {track.images}
    assert len({request.scoring for request in asked}) == 1


@given(images=st.integers(1, 10**7), batch=st.integers(1, 4096))
def test_a_budget_is_the_fewest_whole_steps_that_see_so_many_images(images: int, batch: int) -> None:
    table = tomllib.loads(GOOD)
    table["budget"] = {"images": images, "batch": batch}
    track = tracks.from_table("x", table)
    assert images <= track.images < images + batch


def test_settings_go_where_they_belong(tmp_path: Path) -> None:
    track = tracks.read(written(tmp_path, GOOD))
    plain, other = (track.request(entry, fitted=True) for entry in track.entries)
    assert (plain.training.lr, other.training.lr) == (1e-3, 1e-2)
    assert plain.fitting == track.fitting
    assert plain.scoring.samples == 10
    assert track.request(track.entries[0], fitted=False).fitting is None
    assert track.request(track.entries[0], fitted=False, bound_has_k=False).scoring.samples == 1
    assert (track.name, track.seeds, plain.seed) == ("mine", (0, 1), 0)
    assert [tracks.label(entry, track) for entry in track.entries] == ["base", "enc=conv,lr=0.01"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("summary =", "sumary =", "unknown key sumary; a track has summary, .*did you mean summary"),
        ("images = 1000", "image = 1000", "budget.image: .*did you mean images"),
        ("images = 1000\n", "", "budget.images is missing"),
        ("images = 1000", "images = 0", "budget.images=0: an integer >= 1 is expected"),
        ("lr = 1e-3", "epochs = 3", "budget.epochs: budget has no such parameter"),
        ("lr = 1e-3", "lr = -1", "budget.lr=-1: a number > 0"),
        ("samples = 10", "sampels = 10", "scoring.sampels: .*did you mean samples"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "seeds: a seed is given twice"),
        ("seeds = [0, 1]", "seeds = [-1]", r"seeds\[0\]: Expected `int` >= 0"),
        ("seeds = [0, 1]", "seeds = []", "seeds: .*length >= 1"),
        ("seeds = [0, 1]", "", "Object missing required field `seeds`"),
        ("data = ", "data = 3 #", "data: Expected `str`"),
        ('"enc=conv"', '"encc=conv"', r"entries\[1\].compose: .*did you mean enc"),
        ('"enc=conv"', '"enc=mlp"', None),
        ('"plain"', '""', r"entries\[0\].why: one line of text"),
        ("why = ", "wy = ", r"unknown key entries\[0\].wy; an entry has .*did you mean why"),
        ("lr = 1e-2", "lrr = 1e-2", r"entries\[1\].set.lrr: .*did you mean lr"),
        ("lr = 1e-2", "steps = 5", r"entries\[1\].set.steps: an entry cannot change the budget"),
        ("lr = 1e-2", "images = 5", r"entries\[1\].set.images: an entry cannot change the budget"),
        ("lr = 1e-2", "batch = 5", r"entries\[1\].set.batch: an entry cannot change the budget"),
        (
            "lr = 1e-2",
            "samples = 5",
            r"entries\[1\].set.samples: an entry cannot change the scoring",
        ),
        ('base = "', 'base = "encc=mlp,', "base: there is no slot encc"),
        ("summary", "[", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(
    tmp_path: Path, old: str, new: str, said: str | None
) -> None:
    assert GOOD.count(old) >= 1
    path = written(tmp_path, GOOD.replace(old, new, 1))
    if said is None:  # the same composition with other settings is another entry
        assert len(tracks.read(path).entries) == 2
        return
    with pytest.raises(UsageError, match=said) as error:
        tracks.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_same_entry_twice_is_refused(tmp_path: Path) -> None:
    again = '[[entries]]\ncompose = "encoder = mlp"\nwhy = "plain, once more"\n'
    with pytest.raises(UsageError, match=r"entries\[2\] repeats entries\[0\]"):
        tracks.read(written(tmp_path, GOOD + again))


def test_a_track_by_name_or_path(tmp_path: Path) -> None:
    assert tracks.find("digits") == SHIPPED["digits"]
    assert tracks.find("mine.toml") == Path("mine.toml")
    assert tracks.find("./digits") == Path("./digits")
    with pytest.raises(UsageError, match=r"neither a file nor a shipped track; .*did you mean digits\?"):
        tracks.find("digts")
    with pytest.raises(UsageError, match="cannot be read"):
        tracks.read(tmp_path / "nowhere.toml")
