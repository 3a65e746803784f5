"""Compose, train, sample and score: a notebook's cell of at most twelve lines."""

from pathlib import Path

from vaebench import records

from .notebook import cells
from .test_notebooks import ROOT, run

NOTEBOOK = ROOT / "docs" / "notebooks" / "compose_and_train.ipynb"


def test_the_story_is_told_in_twelve_lines(tmp_path: Path) -> None:
    (story,) = cells(NOTEBOOK, "story")
    lines = [line for line in story.splitlines() if line.strip()]
    assert len(lines) <= 12
    assert all(f"vb.{name}(" in story for name in ("compose", "train", "evaluate"))
    assert "run.sample(" in story
    bits, *words = run(NOTEBOOK, tmp_path, "story").split()
    record = records.read(tmp_path / "docs" / "notebooks" / "runs" / "first" / "record.json")
    assert words == ["bits/dim", "on", "360", "test", "images"]
    assert record.scores is not None
    assert 0 < float(bits) <= record.scores.likelihood.nll.bits_per_dim  # of more samples than the record's
