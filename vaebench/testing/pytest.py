"""The laws as pytest tests, one for each component and law."""

from collections.abc import Callable
from typing import Any

import pytest

from vaebench import registry as installed
from vaebench.registry import Registry
from vaebench.testing.laws import LAWS
from vaebench.testing.report import lines
from vaebench.testing.run import judge
from vaebench.testing.subjects import subjects_of


def laws_for(word: str, registry: Registry | None = None, effort: float = 1.0) -> Callable[..., None]:
    """Make a test function, parametrised over every component that ``word`` names and every law of its kind.

    A plugin's test file needs one line: ``test_laws = laws_for("vaebench_mine")``. Laws that do not apply
    are skipped with the reason.

    :param word: KIND=NAME, a package or ``all``
    :param effort: multiplies the number of examples
    :raises UsageError: where ``word`` names no component
    """
    subjects = subjects_of(word, registry or installed.load())
    cases = [
        pytest.param(subject, law, id=f"{subject}: {law.name}")
        for subject in subjects
        for law in LAWS[subject.kind]
    ]

    @pytest.mark.parametrize(("subject", "law"), cases)
    def test_laws(subject: Any, law: Any) -> None:
        verdict = judge(law, subject, effort)
        if verdict.status == "does not apply":
            pytest.skip(verdict.reason)
        if verdict.status == "broken":
            pytest.fail("\n".join(lines(verdict)), pytrace=False)

    return test_laws
