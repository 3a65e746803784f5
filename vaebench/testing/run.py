"""Checks of a subject against laws; a verdict holds the smallest counter-example that Hypothesis finds."""

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
"""How many examples are tried to make a counter-example smaller."""
Status = Literal["holds", "broken", "does not apply"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of checking one law for one subject."""

    kind: str
    name: str
    package: str
    law: str
    promise: str
    status: Status
    examples: int = 0
    """How many examples were tried."""
    seconds: float = 0.0
    reason: str = ""
    """Why the law does not apply, or how it is broken."""
    measured: str = ""
    expected: str = ""
    counterexample: dict[str, str] = {}
    """The smallest example that breaks the law, as text."""
    where: str = ""
    """What to read: the contract, and the paper that the component names."""


class _Search:
    """A law tried on examples; after the first failure, on at most ``SHRINKS`` smaller ones."""

    def __init__(self, law: Law, subject: Subject) -> None:
        self.law = law
        self.subject = subject
        self.tried = 0
        self.left = SHRINKS
        self.refused = ""
        self.failure: tuple[dict[str, Any], LawBroken] | None = None

    def __call__(self, example: dict[str, Any]) -> None:
        if self.failure is not None:
            if repr(example) == repr(self.failure[0]):
                raise self.failure[1]
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
            self.failure = (example, error)
            raise
        self.tried += 1


def ask(law: Law, subject: Subject, example: dict[str, Any]) -> None:
    """Check a law on one example; torch's generator keeps its state.

    :raises LawBroken: where the law does not hold, or the subject raises any error
    :raises NotTriedError: where the example cannot be tried
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
    """Name the file, line and statement that raised an error: an assertion alone has no message."""
    trace = traceback.extract_tb(error.__traceback__)
    if not trace:
        return ""
    last = trace[-1]
    statement = f": {last.line}" if last.line else ""
    return f" ({last.filename}:{last.lineno}{statement})"


def judge(law: Law, subject: Subject, effort: float = 1.0) -> Verdict:
    """Check one law for one subject; deterministic, whatever was checked before.

    :param effort: multiplies the number of examples
    """
    start = time.monotonic()
    fields: dict[str, Any] = {
        "kind": subject.kind,
        "name": subject.name,
        "package": subject.package,
        "law": law.name,
        "promise": law.promise,
        "where": law.where,
    }
    try:
        fields["where"] = "; ".join(filter(None, (law.where, getattr(subject.target, "paper", ""))))
        if reason := law.unless(subject):
            return Verdict(**fields, status="does not apply", reason=reason)
    except VaebenchError as error:
        return Verdict(**fields, status="broken", reason=str(error))
    search = _Search(law, subject)
    try:
        _explore(search, max(1, round(law.tries * effort)))
    except LawBroken as error:
        example = search.failure[0] if search.failure else {}
        fields |= {"status": "broken", "reason": error.message}
        fields |= {"measured": error.measured, "expected": error.expected}
        fields["counterexample"] = {name: _text(value) for name, value in example.items()}
    else:
        fields["status"] = "holds" if search.tried else "broken"
        if not search.tried:
            fields["reason"] = f"no example could be tried: {search.refused or 'every one was refused'}"
    return Verdict(**fields, examples=search.tried, seconds=round(time.monotonic() - start, 3))


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
    """Check every law of each subject's kind, in order."""
    for subject in subjects:
        for law in LAWS[subject.kind]:
            yield judge(law, subject, effort)
