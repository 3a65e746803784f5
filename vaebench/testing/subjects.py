"""Selection of what is checked: KIND=NAME, a package, or all."""

import re

from vaebench.composing.spec import SLOTS
from vaebench.errors import UsageError
from vaebench.registry import Registered, Registry
from vaebench.testing.laws import BUILT_IN_FUNCTIONS, PARTS
from vaebench.testing.subject import PartSubject, Subject
from vaebench.text import nearest, one_line


def subjects_of(word: str, registry: Registry) -> tuple[Subject, ...]:
    """Return the subjects that a word names.

    The word is ``prior=normal`` or ``obj=elbo`` (a kind or a slot), a distribution or module that offers
    components, or ``all``. ``all`` and ``vaebench`` include vaebench's own formulas, estimators and metrics.

    :raises UsageError: where the word names nothing that has laws
    """
    if "=" in word:
        return (_one(word, registry),)
    entries = [r for r in registry.entries() if r.entry.kind in PARTS]
    matches = [r for r in entries if word == "all" or _normal(word) in (_normal(r.package), _module(r))]
    if not matches:
        packages = sorted({r.package for r in entries})
        message = f"no package {one_line(word)} offers components; installed packages: {', '.join(packages)}"
        for broken in registry.broken:
            message += f"; package {broken.package} is broken: {broken.reason}"
        raise UsageError(f"{message}{nearest(word, packages)}")
    parts = tuple(PartSubject(r.entry.kind, r.entry.name, r.package, registry) for r in matches)
    return (*parts, *(BUILT_IN_FUNCTIONS if word in ("all", "vaebench") else ()))


def _one(word: str, registry: Registry) -> Subject:
    for subject in BUILT_IN_FUNCTIONS:
        if word == str(subject):
            return subject
    kind, _, name = word.partition("=")
    kind = SLOTS.get(kind, kind)
    if kind not in PARTS:
        choices = [*PARTS, *map(str, BUILT_IN_FUNCTIONS)]
        raise UsageError(
            f"there are no laws for {one_line(word)}; laws exist for {', '.join(choices)}"
            f"{nearest(word, choices)}"
        )
    return PartSubject(kind, name, registry.get(kind, name).package, registry)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _module(registered: Registered) -> str:
    return _normal(registered.entry.target.partition(":")[0].partition(".")[0])
