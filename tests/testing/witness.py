"""A fault and the law that sees it."""

from dataclasses import dataclass
from typing import Any

from vaebench.testing.laws import LAWS
from vaebench.testing.run import Verdict, judge
from vaebench.testing.subject import Function

from .parts import law_of, subject_of


@dataclass(frozen=True)
class Witness:
    """A faulty part or function, the law that it breaks, words of the verdict, and where it comes from."""

    kind: str
    law: str
    fault: Any
    says: str
    origin: str
    beside: tuple[tuple[str, str, type], ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.law}: {getattr(self.fault, '__name__', 'function')}"

    def verdict(self) -> Verdict:
        law = law_of(LAWS[self.kind], self.law)
        if isinstance(self.fault, type):
            return judge(law, subject_of(self.kind, self.fault, *self.beside))
        return judge(law, Function(self.kind, "faulty", function=self.fault))


def bites(witness: Witness) -> None:
    """The law fails, by a counter-example, with these words."""
    found = witness.verdict()
    assert found.status == "broken", f"{witness.origin}: the law held on {found.examples} examples"
    assert witness.says in found.reason, found.reason
    assert found.promise
    assert found.where
