"""What was asked for, from a command line, a TOML file, or one over the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vaebench.errors import UsageError
from vaebench.parameters import convert, parameters_of
from vaebench.registry import Registry, nearest, one_line
from vaebench.runs import Request
from vaebench.settings import ROOMS, Scoring, Training
from vaebench.spec import DataSpec, Spec, check_names, from_table, parse, parse_data

_TABLES = ("compose", "data", "seed", "settings")


@dataclass(frozen=True)
class Plan:
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
    ) -> "Plan":
        """This plan with a command line put over it; steps there set epochs here aside, and the reverse."""
        mine = dict(self.settings)
        if "steps" in settings or "epochs" in settings:
            mine = {name: value for name, value in mine.items() if name not in ("steps", "epochs")}
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

    def request(self) -> Request:
        """The request, settings typed and checked; UsageError for an unknown one or a bad value."""
        assert self.compose is not None
        _check_settings(self.settings)
        if self.settings.get("steps") is not None and self.settings.get("epochs") is not None:
            raise UsageError("give steps or epochs, not both")
        return Request(
            compose=str(self.compose),
            data=str(self.data or DataSpec("digits")),
            training=Training(**_of(Training, self.settings)),
            scoring=Scoring(**_of(Scoring, self.settings)),
            seed=self.seed or 0,
        )


def _of(room: type[Training] | type[Scoring], given: Mapping[str, Any]) -> dict[str, Any]:
    known = parameters_of(room)
    return convert("", known, {k: v for k, v in given.items() if k in known})


def _check_settings(given: Mapping[str, Any]) -> None:
    known = [name for room in ROOMS for name in room.__struct_fields__]
    for name in given:
        if name not in known:
            there = f"settings are {', '.join(known)}{nearest(name, known)}"
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


def read(path: Path) -> Plan:
    """A recipe: ``data``, ``seed``, a ``[compose]`` table and a ``[settings]`` table; UsageError if unfit."""
    import tomllib

    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    for key in said:
        if key not in _TABLES:
            tables = f"it has {', '.join(_TABLES)}{nearest(key, _TABLES)}"
            raise UsageError(f"{path}: {one_line(key)} is not of a recipe; {tables}")
    compose, data, seed, settings = (said.get(key) for key in _TABLES)
    if compose is None:
        raise UsageError(f"{path}: a recipe needs a [compose] table")
    if data is not None and not isinstance(data, str):
        raise UsageError(f'{path}: data is text, as in data = "mnist"')
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise UsageError(f"{path}: seed is an integer >= 0")
    if settings is not None and not isinstance(settings, dict):
        raise UsageError(f"{path}: settings is a table of key = value")
    return Plan(
        parse(compose) if isinstance(compose, str) else from_table(compose),
        None if data is None else parse_data(data),
        seed,
        settings or {},
    )
