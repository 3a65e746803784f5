"""A hash of the code that a part runs, read from its files; nothing is imported.

It covers the part's own module and whatever that imports of its own package, however indirectly; of vaebench
only what lies in a room (``vaebench.blocks.gated``), not the interface that all parts share
(``vaebench.contracts``), which the version tells of. Comments, docstrings and blank lines do not count, so
that the hash changes where numbers could.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from vaebench.composing.slots import SLOTS
from vaebench.registry import Registry

_OWN = "vaebench"


@cache
def source_sha256(target: str) -> str | None:
    """SHA-256 of the code behind an entry's target ``module:attribute``; None where it cannot be read."""
    module = target.partition(":")[0]
    pending, found = [module], dict[str, str]()
    while pending:
        name = pending.pop()
        path = None if name in found else _file(name)
        if path is None:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            found[name] = "\n".join(_code(text, tree))
        except (OSError, SyntaxError, ValueError, tokenize.TokenError):
            return None
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        pending += [each for each in _imports(tree, package) if _counts(each, module)]
    if module not in found:
        return None
    whole = "".join(f"{name}\n{code}\0" for name, code in sorted(found.items()))
    return hashlib.sha256(whole.encode()).hexdigest()


def _counts(name: str, module: str) -> bool:
    """Whether a module is of the part's own package and not of the interface that all share."""
    root, *inner = name.split(".")
    return root == module.partition(".")[0] and not (root == _OWN and len(inner) < 2)


def _file(module: str) -> Path | None:
    """A module's source file; packages on the way to it are not run."""
    root, *inner = module.split(".")
    try:
        spec = find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not inner and spec.origin is not None and spec.origin.endswith(".py"):
        return Path(spec.origin)
    for location in spec.submodule_search_locations or ():
        stem = Path(location).joinpath(*inner)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if inner and path.is_file():
                return path
    return None


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """The modules that a file may import, those inside functions too; ``a.b`` for ``from a import b`` too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _code(text: str, tree: ast.Module) -> Iterator[str]:
    """The lines of a file but for comments, docstrings and blank lines."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(tree):
        for statement in getattr(node, "body", None) or () if _may_document(node) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                first, last = statement.lineno, statement.end_lineno or statement.lineno
                lines[first - 1 : last] = [""] * (last - first + 1)
    yield from (line.rstrip() for line in lines if line.strip())


def _may_document(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def installed(registry: Registry) -> dict[tuple[str, str, str], str]:
    """Slot, name and package of every installed part -> the hash of its code, where that can be read."""
    found = {
        (slot, each.entry.name, each.package): source_sha256(each.entry.target)
        for slot, kind in SLOTS.items()
        for each in registry.entries(kind)
    }
    return {part: known for part, known in found.items() if known is not None}
