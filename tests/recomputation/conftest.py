"""The runs are made once; all that is asked of them is asked of the same files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recomputation import runs
from tests.recomputation.rows import DIGITS, Row
from tests.recomputation.runs import ASKED, Made, Run


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    place = tmp_path_factory.mktemp("recomputation")
    with runs.offered(place / "site"):
        yield Made(place)


@pytest.fixture(scope="package")
def board(made: Made) -> Path:
    return runs.board(made)


@pytest.fixture(params=list(ASKED))
def run(request: pytest.FixtureRequest, made: Made) -> Run:
    return made[request.param]


@pytest.fixture(scope="package")
def rows(made: Made) -> list[Row]:
    """The rows of the digits' section, best first."""
    whole = [Row([made[name].record for name in names]) for names in DIGITS]
    return sorted(whole, key=Row.nll)
