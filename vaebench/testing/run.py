"""Laws asked of a subject: the smallest counter-example that Hypothesis finds, as a verdict."""

import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import hypothesis
import msgspec
import torch
from hypothesis import HealthCheck, Phase, Verbosity

from vaebench.errors import VaebenchError
from vaebench.testing.law import Law, LawBroken, NotTriedError
from vaebench.testing.laws import LAWS
from vaebench.testing.subject import Subject
from vaebench.text import one_line

SHRINKS = 60
"""Examples tried to make a counter-example smaller."""
Status = Literal["holds", "broken", "does not apply"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one law for one subject."""

    kind: str
    name: str
    package: str
    law: str
    promise: str
    status: Status
    examples: int = 0
    """Examples that were tried."""
    seconds: float = 0.0
    reason: str = ""
    """Why the law does not apply, or what is wrong."""
    measured: str = ""
    expected: str = ""
    counterexample: dict[str, str] = {}
    """The smallest example found against the law, as text."""
    where: str = ""
    """Where to read: the contract, and the paper that the part names."""


class _Search:
    """A law tried on examples; after the first failure, on a stated number of smaller ones."""

    def __init__(self, law: Law, subject: Subject) -> None:
        self.law = law
        self.subject = subject
        self.tried = 0
        self.left = SHRINKS
        self.refused = ""
        self.found: tuple[dict[str, Any], LawBroken] | None = None

    def __call__(self, example: dict[str, Any]) -> None:
        if self.found is not None:
            if repr(example) == repr(self.found[0]):
                raise self.found[1]
            self.left -= 1
            if self.left < 0:
                return
        try:
            ask(self.law, self.subject, example)
        except NotTriedError as error:
            self.refused = str(error)
            hypothesis.reject()
        except LawBroken as error:
            self.tried += 1
            self.found = (example, error)
            raise
        self.tried += 1


def ask(law: Law, subject: Subject, example: dict[str, Any]) -> None:
    """One example; whatever the subject raises breaks the law, and torch's generator is left as it was.

    :raises LawBroken: where the law does not hold
    :raises NotTriedError: where the example says nothing
    """
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            law.check(subject, **example)
    except (LawBroken, NotTriedError):
        raise
    except Exception as error:
        place = _place(error)
        text = f": {one_line(error)}" if str(error) else ""
        raise LawBroken(f"it raised {type(error).__name__}{text}{place}") from error


def _place(error: Exception) -> str:
    """Where it was raised, and the statement there: an assertion alone would say nothing."""
    trace = traceback.extract_tb(error.__traceback__)
    if not trace:
        return ""
    last = trace[-1]
    statement = f": {last.line}" if last.line else ""
    return f" ({last.filename}:{last.lineno}{statement})"


def judge(law: Law, subject: Subject, effort: float = 1.0) -> Verdict:
    """One law asked of one subject; deterministic, whatever was asked before.

    :param effort: multiplies the number of examples
    """
    start = time.monotonic()
    said: dict[str, Any] = {
        "kind": subject.kind,
        "name": subject.name,
        "package": subject.package,
        "law": law.name,
        "promise": law.promise,
        "where": law.where,
    }
    try:
        said["where"] = "; ".join(filter(None, (law.where, getattr(subject.target, "paper", ""))))
        if reason := law.unless(subject):
            return Verdict(**said, status="does not apply", reason=reason)
    except VaebenchError as error:
        return Verdict(**said, status="broken", reason=str(error))
    search = _Search(law, subject)
    try:
        _explore(search, max(1, round(law.tries * effort)))
    except LawBroken as error:
        example = search.found[0] if search.found else {}
        said |= {"status": "broken", "reason": error.message}
        said |= {"measured": error.measured, "expected": error.expected}
        said["counterexample"] = {name: _text(value) for name, value in example.items()}
    else:
        said["status"] = "holds" if search.tried else "broken"
        if not search.tried:
            said["reason"] = f"no example could be tried: {search.refused or 'all were refused'}"
    return Verdict(**said, examples=search.tried, seconds=round(time.monotonic() - start, 3))


def _explore(search: _Search, tries: int) -> None:
    if search.law.examples is None:
        search({})
        return
    try:
        strategy = search.law.examples(search.subject)
    except VaebenchError as error:
        raise LawBroken(str(error)) from error
    settings = hypothesis.settings(
        max_examples=tries,
        derandomize=True,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )

    @settings
    @hypothesis.given(strategy)
    def trial(example: dict[str, Any]) -> None:
        search(example)

    try:
        trial()
    except hypothesis.errors.Unsatisfiable:
        return


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "none"
    return str(value)


def verdicts(subjects: Iterable[Subject], effort: float = 1.0) -> Iterator[Verdict]:
    """Every law of each subject's kind, in order."""
    for subject in subjects:
        for law in LAWS[subject.kind]:
            yield judge(law, subject, effort)
