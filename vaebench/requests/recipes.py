"""Recipes: the requested composition, data and settings, from a command line, a TOML file, or both."""

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
    """A request before defaults are filled in, with the values as they were given."""

    compose: Spec | None = None
    data: DataSpec | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> bool:
        """Whether the recipe gives anything."""
        return bool(self.compose or self.data or self.seed is not None or self.settings)

    def overridden(
        self, compose: str | None, data: str | None, seed: int | None, settings: Mapping[str, Any]
    ) -> "Recipe":
        """Return this recipe with the values of a command line in place of its own.

        Steps on the command line replace epochs of the recipe, and epochs replace steps.
        """
        kept = dict(self.settings)
        for prefix in ("", _FIT):
            budget = (f"{prefix}steps", f"{prefix}epochs")
            if any(name in settings for name in budget):
                kept = {name: value for name, value in kept.items() if name not in budget}
        return replace(
            self,
            compose=parse(compose) if compose is not None else self.compose,
            data=parse_data(data) if data is not None else self.data,
            seed=seed if seed is not None else self.seed,
            settings={**kept, **settings},
        )

    def check_names(self, registry: Registry) -> None:
        """Check that components, data set and settings exist, before anything heavy is imported.

        :raises UsageError: for an unknown one
        """
        assert self.compose is not None
        check_names(self.compose, registry)
        registry.get("dataset", (self.data or DataSpec("digits")).name)
        self.request()

    def _fit(self) -> Training | None:
        """Check every setting, and return those of fitting a prior; None where none is given."""
        _check_settings(self.settings)
        fit = {n.removeprefix(_FIT): v for n, v in self.settings.items() if n.startswith(_FIT)}
        for given in (self.settings, fit):
            if given.get("steps") is not None and given.get("epochs") is not None:
                raise UsageError("give steps or epochs, not both")
        typed = convert("fit", parameters_of(Training), fit, "fitting")
        return msgspec.structs.replace(FITTING, **typed) if fit else None

    def refit(self) -> tuple[Training | None, dict[str, Any]]:
        """Return the settings of the fit and of scoring.

        :raises UsageError: for a setting of training, which a refit does not repeat
        """
        fit = self._fit()
        if wrong := [name for name in self.settings if name in Training.__struct_fields__]:
            raise UsageError(
                f"{wrong[0]}: a refit trains only the prior; write its setting as {_FIT}{wrong[0]}"
            )
        return fit, scoring_settings({n: v for n, v in self.settings.items() if not n.startswith(_FIT)})

    def request(self) -> Request:
        """Return the request, with its settings typed and checked.

        :raises UsageError: for an unknown setting or a bad value
        """
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
    """Return the recipe of a run, for another run that starts from it.

    The budget and the extractor are left open, because they depend on the data. Everything else is kept,
    above all the encoder's shift and scale.
    """
    open_ = ("steps", "epochs", "extractor", "extractor_weights")
    settings: dict[str, Any] = {}
    for prefix, table, default in (
        ("", request.training, Training()),
        ("", request.scoring, Scoring()),
        (_FIT, request.fitting or FITTING, FITTING),
    ):
        for name in table.__struct_fields__:
            if name not in open_ and getattr(table, name) != getattr(default, name):
                settings[prefix + name] = getattr(table, name)
    return Recipe(parse(request.compose), parse_data(request.data), request.seed, settings)


def _of(table: type[Training] | type[Scoring], given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = parameters_of(table)
    return convert("", parameters, {k: v for k, v in given.items() if k in parameters})


def _check_settings(given: Mapping[str, Any]) -> None:
    names = [name for table in SETTINGS_TABLES for name in table.__struct_fields__]
    fit_names = [f"{_FIT}{name}" for name in Training.__struct_fields__]
    for name in given:
        if name not in (*names, *fit_names):
            hint = nearest(name, [*names, *fit_names])
            raise UsageError(
                f"unknown setting {one_line(name)}; settings are {', '.join(names)}, "
                f"and {_FIT}KEY for each training setting of a prior's fit{hint}"
            )


def key_values(words: Iterable[str]) -> dict[str, str]:
    """Split ``KEY=VALUE`` words as given to --set.

    :raises UsageError: for a word without ``=``
    """
    words = tuple(words)
    if wrong := [word for word in words if "=" not in word]:
        raise UsageError(f"--set {one_line(wrong[0])}: write KEY=VALUE")
    return dict(word.partition("=")[::2] for word in words)


def scoring_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return scoring settings, typed.

    :raises UsageError: for any other setting
    """
    return convert("", parameters_of(Scoring), given, "scoring")


def shipped() -> dict[str, Path]:
    """Return the files of the recipes that come with vaebench, by name."""
    return tables.shipped(_SHIPPED)


def summary(path: Path) -> str:
    """Return the summary of a recipe: the comment in its first line."""
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def find(word: str) -> Path:
    """Return a recipe's file: a shipped one by its name, else a path.

    :raises UsageError: for an unknown name
    """
    return tables.find(word, shipped(), "recipe")


def read(path: Path) -> Recipe:
    """Read a recipe: ``data``, ``seed``, and the tables ``[compose]``, ``[settings]`` and ``[fit]``.

    :raises UsageError: where the file cannot be read or is not a recipe
    """
    content = tables.read(path)
    for key in content:
        if key not in _TABLES:
            keys = f"a recipe has {', '.join(_TABLES)}{nearest(key, _TABLES)}"
            raise UsageError(f"{path}: unknown key {one_line(key)}; {keys}")
    compose, data, seed, settings, fit = (content.get(key) for key in _TABLES)
    if compose is None:
        raise UsageError(f"{path}: a recipe needs a [compose] table")
    if data is not None and not isinstance(data, str):
        raise UsageError(f'{path}: data must be text, as in data = "mnist"')
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise UsageError(f"{path}: seed must be an integer >= 0")
    for name, table in (("settings", settings), ("fit", fit)):
        if table is not None and not isinstance(table, dict):
            raise UsageError(f"{path}: {name} must be a table of key = value")
    return Recipe(
        parse(compose) if isinstance(compose, str) else from_table(compose),
        None if data is None else parse_data(data),
        seed,
        {**(settings or {}), **{f"{_FIT}{name}": value for name, value in (fit or {}).items()}},
    )
