"""``vb.list_parts``, ``vb.leaderboard`` and ``vb.check``: tables of what the commands show."""

import json
import math
from pathlib import Path

import pytest

import vaebench as vb
from tests.command import call
from vaebench.errors import UsageError
from vaebench.leaderboard.folder import records_of

from .own import MyEncoder

BOARDS = Path(vb.__file__).parents[1] / "leaderboards"


@pytest.mark.parametrize("word", [None, "prior", "priors", "dataset", "data", "enc"])
def test_parts_are_those_of_the_command(word: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", *([word] if word else []), "--json") == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert vb.list_parts(word).to_dict("records") == [
        {name: entry[name] for name in ("kind", "name", "summary", "package", "version", "target")}
        for entry in entries
    ]


def test_an_unknown_kind_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"unknown kind piror.*did you mean prior"):
        vb.list_parts("piror")


def test_the_boards_are_those_of_the_pages() -> None:
    board, records = vb.leaderboard(BOARDS), records_of(BOARDS)
    assert board.seeds.sum() <= len([r for r in records if r.scores])
    assert set(board.composition) == {r.composition for r in records if r.scores}
    page = (BOARDS / "digits.md").read_text(encoding="utf-8")
    for row in board[board.page == "digits"].itertuples():
        assert f"{row.bits_per_dim:.4f} ±" in page
        assert row.command in page
    for _, section in board.groupby(["page", "section"]):
        assert section["rank"].is_monotonic_increasing
        assert section["bits_per_dim"].is_monotonic_increasing
        assert section["rank"].iloc[0] == 1
        assert all(se > 0 for se in section.se)
        assert all(math.isnan(fid) or fid > 0 for fid in section.fid)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no folder records"):
        vb.leaderboard(tmp_path)


def test_laws_are_asked_of_a_class_of_ones_own() -> None:
    table = vb.check(MyEncoder, effort=0.1)
    assert set(table.status) == {"holds"}
    assert list(table.law) == list(vb.check("encoder=mlp", effort=0.1).law)

    class Moody(MyEncoder):
        """It gives something else each time."""

        def forward(self, x):  # type: ignore[no-untyped-def]
            self.linear.bias.data.add_(1)
            return super().forward(x)

    broken = vb.check(Moody, effort=0.1)
    assert "broken" in set(broken.status)
    assert broken[broken.status == "broken"].counterexample.map(bool).all()
