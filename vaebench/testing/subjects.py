"""Which subjects a word names: KIND=NAME, a package, or all."""

import re

from vaebench.composing.spec import SLOTS
from vaebench.errors import UsageError
from vaebench.registry import Registered, Registry
from vaebench.testing.laws import HOUSE, PARTS
from vaebench.testing.subject import PartSubject, Subject
from vaebench.text import nearest, one_line


def subjects_of(word: str, registry: Registry) -> tuple[Subject, ...]:
    """The parts that a word names: ``prior=normal`` or ``obj=elbo`` (a kind or a slot), a distribution or
    module that offers parts, or ``all``.

    ``all`` and ``vaebench`` include the house's own formulas, estimators and metrics.

    :raises UsageError: where it names nothing that has laws
    """
    if "=" in word:
        return (_one(word, registry),)
    known = [r for r in registry.entries() if r.entry.kind in PARTS]
    found = [r for r in known if word == "all" or _normal(word) in (_normal(r.package), _module(r))]
    if not found:
        packages = sorted({r.package for r in known})
        said = f"no package {one_line(word)} offers a part; there are {', '.join(packages)}"
        for broken in registry.broken:
            said += f"; package {broken.package} is broken: {broken.reason}"
        raise UsageError(f"{said}{nearest(word, packages)}")
    parts = tuple(PartSubject(r.entry.kind, r.entry.name, r.package, registry) for r in found)
    return (*parts, *(HOUSE if word in ("all", "vaebench") else ()))


def _one(word: str, registry: Registry) -> Subject:
    for subject in HOUSE:
        if word == str(subject):
            return subject
    kind, _, name = word.partition("=")
    kind = SLOTS.get(kind, kind)
    if kind not in PARTS:
        there = [*PARTS, *map(str, HOUSE)]
        raise UsageError(
            f"there are no laws for {one_line(word)}; there are for {', '.join(there)}{nearest(word, there)}"
        )
    found = registry.get(kind, name)
    return PartSubject(kind, name, found.package, registry)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _module(registered: Registered) -> str:
    return _normal(registered.entry.target.partition(":")[0].partition(".")[0])
