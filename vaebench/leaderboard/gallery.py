"""The pictures of the rows: which are shown, under which file names, and their markdown."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vaebench.leaderboard.identity import ScoredRun
from vaebench.leaderboard.png import pixels_only
from vaebench.records import Pictures

FOLDER = "pictures"
OWN = re.compile(r"[0-9a-f]{32}-(samples|reconstructions)\.png")
"""File names that this program gives to pictures: the digest of the record, and the kind."""


class Shown(NamedTuple):
    """The pictures that a row shows: those of its first seed that has any."""

    seed: int
    files: dict[str, str]
    """Kind -> file, for pictures that are valid PNGs."""
    refused: tuple[str, ...]
    """Kinds whose picture is not a valid PNG."""

    def markdown(self, kind: str) -> str | None:
        """Markdown of the picture of a kind; None if there is none."""
        file = self.files.get(kind)
        return f"![{kind} of seed {self.seed}]({file})" if file else None


@dataclass(slots=True)
class Gallery:
    """The pictures that the pages show, collected while they are written."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Name -> content."""
    _seen: dict[str, Shown] = field(default_factory=dict)

    def of(self, runs: Sequence[ScoredRun]) -> Shown | None:
        """The pictures of the first of a row's runs that has any; None if none has."""
        for run in runs:
            if run.record.pictures is not None:
                if run.digest not in self._seen:
                    self._seen[run.digest] = self._shown(run, run.record.pictures)
                return self._seen[run.digest]
        return None

    def _shown(self, run: ScoredRun, pictures: Pictures) -> Shown:
        clean = {kind: pixels_only(data) for kind, data in _kinds(pictures)}
        names = {kind: f"{FOLDER}/{run.digest[:32]}-{kind}.png" for kind, data in clean.items() if data}
        self.files |= {names[kind]: data for kind, data in clean.items() if data}
        return Shown(run.record.seed, names, tuple(kind for kind, data in clean.items() if not data))


def _kinds(pictures: Pictures) -> Iterable[tuple[str, bytes]]:
    return (("samples", pictures.samples), ("reconstructions", pictures.reconstructions))
