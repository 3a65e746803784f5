"""What is installed: the entries of every plugin, the built-in ones among them; targets are imported on use.

A plugin that fails to load is listed as broken, with its reason, and takes nothing else with it.
"""

import os
import re
import sys
from collections.abc import Collection, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Final

import pluggy

from vaebench import hookspecs
from vaebench.errors import UsageError, VaebenchError
from vaebench.hookspecs import COMPONENT_KINDS, GROUP, INTERFACE, KINDS, UNREGISTERED, Entry
from vaebench.text import CONTROL, nearest, one_line

NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
"""The name of an entry: lowercase letters, digits and hyphens, a letter first."""

OWN: Final = "vaebench"
"""The package that offers the built-in parts."""
WITHOUT: Final = "VAEBENCH_WITHOUT"
"""Names, separated by commas, of packages whose plugins are left out."""
_SAID = "VAEBENCH_INTERFACE"
_HOOKS = {"vaebench_components": COMPONENT_KINDS, "vaebench_datasets": ("dataset",)}


@dataclass(frozen=True, slots=True)
class Registered:
    """An entry, and the distribution package that offers it."""

    entry: Entry
    package: str
    version: str
    loaded: Any = None
    """The target itself, where no plugin registers it and nothing has to be imported."""
    source_sha256: str | None = None
    """The hash of the code of ``loaded``; of an installed component it is read from its files."""

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.entry.target})"


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin (an entry point's name) that could not be loaded, and why, in one line."""

    plugin: str
    package: str
    reason: str


class Registry:
    """The entries on offer, sorted by kind (in the order of ``hookspecs.KINDS``), name and package."""

    def __init__(self, registered: Iterable[Registered], broken: Iterable[Broken] = ()) -> None:
        self._registered = tuple(
            sorted(registered, key=lambda r: (KINDS.index(r.entry.kind), r.entry.name, r.package))
        )
        self.broken = tuple(sorted(broken, key=lambda b: (b.package, b.plugin)))

    def entries(self, kind: str | None = None) -> tuple[Registered, ...]:
        """Every entry, or those of one kind."""
        return tuple(r for r in self._registered if kind in (None, r.entry.kind))

    def with_unregistered(self, added: Iterable[Registered]) -> "Registry":
        """This registry and, for one model or run, what no plugin registers; it is left as it is itself."""
        return Registry((*self._registered, *added), self.broken)

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of a kind, each once, sorted."""
        return tuple(dict.fromkeys(r.entry.name for r in self.entries(kind)))

    @property
    def duplicates(self) -> tuple[tuple[Registered, ...], ...]:
        """The entries that share kind and name with another, side by side."""
        offers = (self._offers(kind, name) for kind in KINDS for name in self.names(kind))
        return tuple(same for same in offers if len(same) > 1)

    def get(self, kind: str, name: str) -> Registered:
        """The one entry of this kind and name.

        :raises UsageError: where there is none, or more than one
        """
        if kind not in KINDS:
            kinds = ", ".join(KINDS)
            raise UsageError(f"there is no kind {one_line(kind)}; there are {kinds}{nearest(kind, KINDS)}")
        offers = self._offers(kind, name)
        if len(offers) > 1:
            raise UsageError(
                f"{kind} {name} is offered by {' and by '.join(map(str, offers))}; {_remedy(offers)}"
            )
        if not offers:
            raise UsageError(self._missing(kind, name))
        return offers[0]

    def resolve(self, kind: str, name: str) -> Any:
        """The class or function itself: imports the entry's target.

        :raises UsageError: as ``get``
        :raises VaebenchError: where the target cannot be imported
        """
        return self.target(self.get(kind, name))

    def target(self, registered: Registered) -> Any:
        """The class or function of an entry.

        :raises VaebenchError: where it cannot be imported
        """
        if registered.loaded is not None:
            return registered.loaded
        kind, name = registered.entry.kind, registered.entry.name
        try:
            with redirect_stdout(sys.stderr):
                return EntryPoint(name, registered.entry.target, GROUP).load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise VaebenchError(f"{kind} {name} of {registered} cannot be loaded: {_why(error)}") from error

    def _offers(self, kind: str, name: str) -> tuple[Registered, ...]:
        return tuple(r for r in self.entries(kind) if r.entry.name == name)

    def _missing(self, kind: str, name: str) -> str:
        if name.startswith(f"{UNREGISTERED}-"):
            what, how = ("data set", "data=") if kind == "dataset" else ("class", "the class")
            return (
                f"{kind} {one_line(name)} is a {what} that no plugin registers: give {how} to vb.train or "
                "vb.load of Python, where vb is vaebench"
            )
        names = self.names(kind)
        said = f"there is no {kind} {one_line(name)}; there are {', '.join(names) or 'none'}"
        said += nearest(name, names)
        elsewhere = [other for other in KINDS if self._offers(other, name)]
        if elsewhere:
            said += f"; {name} names a part of kind {' and '.join(elsewhere)}"
        for broken in self.broken:
            said += f"; package {broken.package} may offer it but is broken: {broken.reason}"
        return said


def _normal(package: str) -> str:
    """The name by which a package is the same however it is written."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _remedy(offers: Iterable[Registered]) -> str:
    others = sorted({each.package for each in offers if each.package != OWN})
    which = " or ".join(f"pip uninstall {package}" for package in others)
    leave = " or ".join(f"{WITHOUT}={package}" for package in others)
    return f"keep one: {which}, or leave it out by {leave}" if others else "the package names it twice"


@cache
def load() -> Registry:
    """The registry of what is installed, but for the packages of ``VAEBENCH_WITHOUT``; once per process."""
    without = {_normal(name.strip()) for name in os.environ.get(WITHOUT, "").split(",")} - {OWN}
    return discover(distributions(), without)


def discover(installed: Iterable[Distribution], without: Collection[str] = ()) -> Registry:
    """The registry of these distributions; of those of one name the first counts, as for imports.

    :param without: packages that are left out, in lowercase with hyphens
    """
    registered: list[Registered] = []
    broken: list[Broken] = []
    seen: set[str] = set()
    for distribution in installed:
        try:
            if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
                continue
            package, version = distribution.name, distribution.version
            normal = _normal(package)
            points = [point for point in distribution.entry_points if point.group == GROUP]
        except Exception as error:
            where = distribution.locate_file("")
            broken.append(Broken("?", f"in {where}", f"its metadata cannot be read: {_why(error)}"))
            continue
        for point in () if normal in seen or normal in without else points:
            try:
                registered += [Registered(entry, package, version) for entry in _offered(point)]
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin may even call sys.exit
                broken.append(Broken(point.name, package, _why(error)))
        seen.add(normal)
    return Registry(registered, broken)


def _why(error: BaseException) -> str:
    """What happened, in one line; our own refusals speak for themselves."""
    said = str(error) if isinstance(error, VaebenchError) else f"{type(error).__name__}: {error}"
    return one_line(said.removesuffix(": "))


def _offered(point: EntryPoint) -> list[Entry]:
    """Import a plugin and ask its hooks; whatever it prints goes to stderr.

    :raises VaebenchError: where it does not keep to ``vaebench.hookspecs``
    :raises BaseException: whatever the plugin's own code raises
    """
    with redirect_stdout(sys.stderr):
        plugin = point.load()
        _check_interface(plugin)
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        manager.register(plugin)
        _check_hooks(manager, plugin)
        offered: list[Entry] = []
        for name, kinds in _HOOKS.items():
            hook = getattr(manager.hook, name)
            answers = hook()
            if len(answers) < len(hook.get_hookimpls()):  # pluggy leaves None out
                raise VaebenchError(f"{name} returned None: a list of Entry is expected")
            for answer in answers:
                offered += [_checked(name, kinds, entry) for entry in answer]
        return offered


def _check_interface(plugin: Any) -> None:
    """A plugin that says which interface it is written for says ours."""
    said = getattr(plugin, _SAID, INTERFACE)
    if type(said) is not int or said != INTERFACE:
        raise VaebenchError(
            f"{_SAID} = {one_line(repr(said))}: this vaebench has interface {INTERFACE}; "
            "install the release of the package that is made for it"
        )


def _check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Every hook that the plugin marks is one of ours, and everything named like a hook is marked."""
    marked = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
    unmarked = {
        name
        for name in dir(plugin)
        if name.startswith(f"{GROUP}_")
        and callable(getattr(plugin, name))
        and manager.parse_hookimpl_opts(plugin, name) is None
    }
    for name in sorted(marked | unmarked):
        if name not in _HOOKS:
            hooks = ", ".join(_HOOKS)
            raise VaebenchError(f"{name} is no hook; there are {hooks}{nearest(name, _HOOKS)}")
        if name in unmarked:
            raise VaebenchError(f"{name} is not marked with vaebench.hookspecs.hookimpl")
    if not marked:
        raise VaebenchError(f"it has no hook: {' or '.join(_HOOKS)} is expected")


def _checked(hook: str, kinds: tuple[str, ...], entry: object) -> Entry:
    if not isinstance(entry, Entry):
        raise VaebenchError(f"{hook} returned {one_line(repr(entry))}: vaebench.hookspecs.Entry is expected")
    said = f"{hook} returned {one_line(entry)}"
    if entry.kind not in kinds:
        raise VaebenchError(f"{said}: kind {' or '.join(kinds)} is expected")
    if not (isinstance(entry.name, str) and NAME.fullmatch(entry.name)):
        raise VaebenchError(f"{said}: a name is lowercase letters, digits and hyphens, a letter first")
    if entry.name.startswith(f"{UNREGISTERED}-"):
        raise VaebenchError(
            f"{said}: names that begin with {UNREGISTERED}- are kept for what is not registered"
        )
    module, _, attribute = str(entry.target).partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise VaebenchError(f'{said}: a target is "module:attribute"')
    if not (isinstance(entry.summary, str) and entry.summary.strip()) or CONTROL.search(entry.summary):
        raise VaebenchError(f"{said}: a summary is one line of text")
    return entry
