"""``vb.check``: the laws of a component's kind, asked of a class or of an installed component."""

from typing import TYPE_CHECKING

from vaebench import registry as installed
from vaebench.errors import UsageError
from vaebench.face.unregistered import component, with_classes

if TYPE_CHECKING:
    import pandas as pd


def check(part: "type | str", *, effort: float = 1.0) -> "pd.DataFrame":
    """Check a component against every law of its kind, as ``vaebench check`` does.

    One row a law: ``law``, ``status`` (``holds``, ``broken`` or ``does not apply``), ``examples`` tried,
    ``reason``, ``measured`` and ``expected``, and ``counterexample``, the smallest example that breaks it.

    :param part: a class, registered or not, or what is installed, as ``"prior=normal"``
    :param effort: multiplies the number of examples
    :raises VaebenchError: in one line, where there is no such component, or hypothesis is not installed

    >>> import vaebench as vb
    >>> set(vb.check("objective=elbo", effort=0.1).status) <= {"holds", "does not apply"}
    True
    """
    import pandas as pd

    try:
        from vaebench.testing.run import verdicts
        from vaebench.testing.subjects import subjects_of
    except ImportError as error:
        raise UsageError(f"check needs {error.name}: pip install 'vaebench[testing]'") from None
    registry, word = installed.load(), part
    if not isinstance(part, str):
        registry = with_classes(registry, [part])
        entry = component(part, registry).entry
        word = f"{entry.kind}={entry.name}"
    columns = ["law", "status", "examples", "reason", "measured", "expected", "counterexample"]
    rows = [
        [getattr(v, name) for name in columns] for v in verdicts(subjects_of(str(word), registry), effort)
    ]
    return pd.DataFrame(rows, columns=columns)
