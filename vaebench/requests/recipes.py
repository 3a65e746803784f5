"""What was asked for, from a command line, a TOML file, or one over the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from vaebench.composing.parameters import convert, parameters_of
from vaebench.composing.spec import DataSpec, Spec, check_names, from_table, parse, parse_data
from vaebench.errors import UsageError
from vaebench.registry import Registry
from vaebench.requests.request import Request
from vaebench.settings import FITTING, SETTINGS_TABLES, Scoring, Training
from vaebench.storage import toml as tables
from vaebench.text import nearest, one_line

_TABLES = ("compose", "data", "seed", "settings", "fit")
_FIT = "fit."
_SHIPPED = Path(__file__).parent / "recipebook"


@dataclass(frozen=True)
class Recipe:
    """A request before defaults: values as they were given."""

    compose: Spec | None = None
    data: DataSpec | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> bool:
        """Whether anything was asked for."""
        return bool(self.compose or self.data or self.seed is not None or self.settings)

    def overridden(
        self, compose: str | None, data: str | None, seed: int | None, settings: Mapping[str, Any]
    ) -> "Recipe":
        """This plan with a command line put over it; steps there set epochs here aside, and the reverse."""
        mine = dict(self.settings)
        for prefix in ("", _FIT):
            budget = (f"{prefix}steps", f"{prefix}epochs")
            if any(name in settings for name in budget):
                mine = {name: value for name, value in mine.items() if name not in budget}
        return replace(
            self,
            compose=parse(compose) if compose is not None else self.compose,
            data=parse_data(data) if data is not None else self.data,
            seed=seed if seed is not None else self.seed,
            settings={**mine, **settings},
        )

    def check_names(self, registry: Registry) -> None:
        """Parts, data set and settings exist, before anything heavy is imported; UsageError if not."""
        assert self.compose is not None
        check_names(self.compose, registry)
        registry.get("dataset", (self.data or DataSpec("digits")).name)
        self.request()

    def _fit(self) -> Training | None:
        """How a prior is fitted, where anything is said of it; checks every name."""
        _check_settings(self.settings)
        fit = {n.removeprefix(_FIT): v for n, v in self.settings.items() if n.startswith(_FIT)}
        for given in (self.settings, fit):
            if given.get("steps") is not None and given.get("epochs") is not None:
                raise UsageError("give steps or epochs, not both")
        typed = convert("fit", parameters_of(Training), fit, "fitting")
        return msgspec.structs.replace(FITTING, **typed) if fit else None

    def refit(self) -> tuple[Training | None, dict[str, Any]]:
        """What the settings say of a fit and of scoring; UsageError for those of training."""
        fit = self._fit()
        if wrong := [name for name in self.settings if name in Training.__struct_fields__]:
            raise UsageError(
                f"{wrong[0]}: the rest is frozen; settings of the fit are written {_FIT}{wrong[0]}"
            )
        return fit, scoring_settings({n: v for n, v in self.settings.items() if not n.startswith(_FIT)})

    def request(self) -> Request:
        """The request, settings typed and checked; UsageError for an unknown one or a bad value."""
        assert self.compose is not None
        fit = self._fit()
        return Request(
            compose=str(self.compose),
            data=str(self.data or DataSpec("digits")),
            training=Training(**_of(Training, self.settings)),
            scoring=Scoring(**_of(Scoring, self.settings)),
            seed=self.seed or 0,
            fitting=fit,
        )


def of_run(request: Request) -> Recipe:
    """What a run was asked for, as a start for another: its budget and its data's extractor are left open.

    All else is kept, the encoder's shift and scale above all.
    """
    open_ = ("steps", "epochs", "extractor", "extractor_weights")
    said: dict[str, Any] = {}
    for prefix, room, default in (
        ("", request.training, Training()),
        ("", request.scoring, Scoring()),
        (_FIT, request.fitting or FITTING, FITTING),
    ):
        for name in room.__struct_fields__:
            if name not in open_ and getattr(room, name) != getattr(default, name):
                said[prefix + name] = getattr(room, name)
    return Recipe(parse(request.compose), parse_data(request.data), request.seed, said)


def _of(room: type[Training] | type[Scoring], given: Mapping[str, Any]) -> dict[str, Any]:
    known = parameters_of(room)
    return convert("", known, {k: v for k, v in given.items() if k in known})


def _check_settings(given: Mapping[str, Any]) -> None:
    known = [name for room in SETTINGS_TABLES for name in room.__struct_fields__]
    known += [f"{_FIT}{name}" for name in Training.__struct_fields__]
    for name in given:
        if name not in known:
            own = [word for word in known if not word.startswith(_FIT)]
            there = f"settings are {', '.join(own)}, and those of training after {_FIT}{nearest(name, known)}"
            raise UsageError(f"{one_line(name)} is no setting; {there}")


def key_values(words: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as given to --set; UsageError for one without ``=``."""
    words = tuple(words)
    if wrong := [word for word in words if "=" not in word]:
        raise UsageError(f"--set {one_line(wrong[0])}: write KEY=VALUE")
    return dict(word.partition("=")[::2] for word in words)


def scoring_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of scoring alone, typed; UsageError for any other."""
    return convert("", parameters_of(Scoring), given, "scoring")


def shipped() -> dict[str, Path]:
    """The recipes that come with vaebench, by name."""
    return tables.shipped(_SHIPPED)


def summary(path: Path) -> str:
    """What a recipe's first line, a comment, says of it."""
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def find(said: str) -> Path:
    """A recipe's file: a shipped one by its name, else a path; UsageError for an unknown name."""
    return tables.find(said, shipped(), "recipe")


def read(path: Path) -> Recipe:
    """A recipe: ``data``, ``seed``, tables ``[compose]``, ``[settings]``, ``[fit]``; UsageError if unfit."""
    said = tables.read(path)
    for key in said:
        if key not in _TABLES:
            has = f"it has {', '.join(_TABLES)}{nearest(key, _TABLES)}"
            raise UsageError(f"{path}: {one_line(key)} is not of a recipe; {has}")
    compose, data, seed, settings, fit = (said.get(key) for key in _TABLES)
    if compose is None:
        raise UsageError(f"{path}: a recipe needs a [compose] table")
    if data is not None and not isinstance(data, str):
        raise UsageError(f'{path}: data is text, as in data = "mnist"')
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise UsageError(f"{path}: seed is an integer >= 0")
    for name, table in (("settings", settings), ("fit", fit)):
        if table is not None and not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is a table of key = value")
    return Recipe(
        parse(compose) if isinstance(compose, str) else from_table(compose),
        None if data is None else parse_data(data),
        seed,
        {**(settings or {}), **{f"{_FIT}{name}": value for name, value in (fit or {}).items()}},
    )
