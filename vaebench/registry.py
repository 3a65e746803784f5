"""The registry of the entries of every installed plugin, with the built-in ones; targets are imported on use.

A plugin that fails to load is listed as broken, with the reason; all other plugins still load.
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
"""The pattern of an entry's name: lowercase letters, digits and hyphens, starting with a letter."""

OWN: Final = "vaebench"
"""The package of the built-in components."""
WITHOUT: Final = "VAEBENCH_WITHOUT"
"""The environment variable with the names, separated by commas, of packages whose plugins are ignored."""
_DECLARED = "VAEBENCH_INTERFACE"
_HOOKS = {"vaebench_components": COMPONENT_KINDS, "vaebench_datasets": ("dataset",)}


@dataclass(frozen=True, slots=True)
class Registered:
    """An entry and the distribution package that provides it."""

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
    """A plugin (the name of an entry point) that could not be loaded, and the reason in one line."""

    plugin: str
    package: str
    reason: str


class Registry:
    """The registered entries, sorted by kind (in the order of ``hookspecs.KINDS``), name and package."""

    def __init__(self, registered: Iterable[Registered], broken: Iterable[Broken] = ()) -> None:
        self._registered = tuple(
            sorted(registered, key=lambda r: (KINDS.index(r.entry.kind), r.entry.name, r.package))
        )
        self.broken = tuple(sorted(broken, key=lambda b: (b.package, b.plugin)))

    def entries(self, kind: str | None = None) -> tuple[Registered, ...]:
        """Return every entry, or those of one kind."""
        return tuple(r for r in self._registered if kind in (None, r.entry.kind))

    def with_unregistered(self, added: Iterable[Registered]) -> "Registry":
        """This registry and, for one model or run, what no plugin registers; it is left as it is itself."""
        return Registry((*self._registered, *added), self.broken)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind, sorted, without duplicates."""
        return tuple(dict.fromkeys(r.entry.name for r in self.entries(kind)))

    @property
    def duplicates(self) -> tuple[tuple[Registered, ...], ...]:
        """Groups of entries that share their kind and name."""
        offers = (self._offers(kind, name) for kind in KINDS for name in self.names(kind))
        return tuple(same for same in offers if len(same) > 1)

    def get(self, kind: str, name: str) -> Registered:
        """Return the one entry of this kind and name.

        :raises UsageError: where there is none, or more than one
        """
        if kind not in KINDS:
            kinds = ", ".join(KINDS)
            raise UsageError(f"unknown kind {one_line(kind)}; kinds are {kinds}{nearest(kind, KINDS)}")
        offers = self._offers(kind, name)
        if len(offers) > 1:
            raise UsageError(
                f"{kind} {name} is offered by {' and by '.join(map(str, offers))}; {_remedy(offers)}"
            )
        if not offers:
            raise UsageError(self._missing(kind, name))
        return offers[0]

    def resolve(self, kind: str, name: str) -> Any:
        """Import and return the class or function of the entry of this kind and name.

        :raises UsageError: as ``get``
        :raises VaebenchError: where the target cannot be imported
        """
        return self.target(self.get(kind, name))

    def target(self, registered: Registered) -> Any:
        """Import and return the class or function of an entry.

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
        message = f"there is no {kind} {one_line(name)}; available: {', '.join(names) or 'none'}"
        message += nearest(name, names)
        elsewhere = [other for other in KINDS if self._offers(other, name)]
        if elsewhere:
            message += f"; {name} is the name of a component of kind {' and '.join(elsewhere)}"
        for broken in self.broken:
            message += f"; package {broken.package} may offer it but is broken: {broken.reason}"
        return message


def _normal(package: str) -> str:
    """Return the normalised name of a package, which is the same for every spelling."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _remedy(offers: Iterable[Registered]) -> str:
    others = sorted({offer.package for offer in offers if offer.package != OWN})
    uninstall = " or ".join(f"pip uninstall {package}" for package in others)
    ignore = " or ".join(f"{WITHOUT}={package}" for package in others)
    return f"keep one: {uninstall}, or ignore it with {ignore}" if others else "the package names it twice"


@cache
def load() -> Registry:
    """Return the registry of the installed plugins, without those in ``VAEBENCH_WITHOUT``; it is cached."""
    without = {_normal(name.strip()) for name in os.environ.get(WITHOUT, "").split(",")} - {OWN}
    return discover(distributions(), without)


def discover(installed: Iterable[Distribution], without: Collection[str] = ()) -> Registry:
    """Return the registry of these distributions; the first of several with one name counts, as for imports.

    :param without: packages to ignore, in lowercase with hyphens
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
    """Describe an error in one line; vaebench's own errors need no type in front."""
    message = str(error) if isinstance(error, VaebenchError) else f"{type(error).__name__}: {error}"
    return one_line(message.removesuffix(": "))


def _offered(point: EntryPoint) -> list[Entry]:
    """Import a plugin and call its hooks; whatever it prints goes to stderr.

    :raises VaebenchError: where it breaks the rules of ``vaebench.hookspecs``
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
    """Check that a plugin that declares the version of its interface declares ours."""
    declared = getattr(plugin, _DECLARED, INTERFACE)
    if type(declared) is not int or declared != INTERFACE:
        raise VaebenchError(
            f"{_DECLARED} = {one_line(repr(declared))}: this vaebench has interface {INTERFACE}; "
            "install the release of the package that is made for it"
        )


def _check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Check that every marked hook exists here, and that every function named like a hook is marked."""
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
            raise VaebenchError(f"{name} is not a hook; hooks are {hooks}{nearest(name, _HOOKS)}")
        if name in unmarked:
            raise VaebenchError(f"{name} is not marked with vaebench.hookspecs.hookimpl")
    if not marked:
        raise VaebenchError(f"the module has no hook: {' or '.join(_HOOKS)} is expected")


def _checked(hook: str, kinds: tuple[str, ...], entry: object) -> Entry:
    if not isinstance(entry, Entry):
        raise VaebenchError(f"{hook} returned {one_line(repr(entry))}: vaebench.hookspecs.Entry is expected")
    returned = f"{hook} returned {one_line(entry)}"
    if entry.kind not in kinds:
        raise VaebenchError(f"{returned}: kind {' or '.join(kinds)} is expected")
    if not (isinstance(entry.name, str) and NAME.fullmatch(entry.name)):
        raise VaebenchError(f"{returned}: a name is lowercase letters, digits and hyphens, a letter first")
    if entry.name.startswith(f"{UNREGISTERED}-"):
        raise VaebenchError(
            f"{returned}: names that begin with {UNREGISTERED}- are reserved for unregistered classes"
        )
    module, _, attribute = str(entry.target).partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise VaebenchError(f'{returned}: a target is written "module:attribute"')
    if not (isinstance(entry.summary, str) and entry.summary.strip()) or CONTROL.search(entry.summary):
        raise VaebenchError(f"{returned}: a summary is one line of text")
    return entry
