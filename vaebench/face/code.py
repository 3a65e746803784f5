"""The hash of the code of a class that no plugin registers, in a file or in a notebook."""

import ast
import hashlib
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from vaebench.composing.sources import source_sha256
from vaebench.errors import UsageError

_CONSTANTS = (bool, int, float, str, bytes, tuple, frozenset, type(None))


def code_sha256(part: type) -> str:
    """SHA-256 of the code that a class runs.

    A class of a module on the import path has the hash of that module and of what it imports of its own
    package, as a registered component has. Of a class in a notebook, or in the script that is run, it covers
    the class, and the functions, classes and constants beside it that it names, however indirectly. Comments,
    docstrings and spacing do not count.

    :raises UsageError: where the source cannot be read
    """
    if part.__module__ != "__main__":
        of_module = source_sha256(f"{part.__module__}:{part.__qualname__}")
        if of_module is not None:
            return of_module
    pieces: dict[str, str] = {}
    pending: list[Any] = [part]
    while pending:
        found = pending.pop()
        if found.__qualname__ in pieces:
            continue
        node, beside = _definition(found)
        pieces[found.__qualname__] = _plain(node)
        for name, value in _named(node, found.__module__, beside):
            if isinstance(value, type | FunctionType):
                pending.append(value)
            else:
                pieces[name] = repr(value)
    whole = "".join(f"{name}\n{code}\0" for name, code in sorted(pieces.items()))
    return hashlib.sha256(whole.encode()).hexdigest()


def _named(node: ast.AST, module: str, beside: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a definition names beside it: functions and classes of the same module, and constants."""
    for name in sorted({each.id for each in ast.walk(node) if isinstance(each, ast.Name)}):
        value = beside.get(name)
        own = isinstance(value, type | FunctionType) and value.__module__ == module
        if own or (name in beside and isinstance(value, _CONSTANTS)):
            yield name, value


def _definition(found: Any) -> tuple[ast.AST, Mapping[str, Any]]:
    """The statement that defines a class or a function, read from its file or cell, and what is beside it."""
    for function in _functions(found):
        code = inspect.unwrap(function).__code__
        text = "".join(linecache.getlines(code.co_filename, function.__globals__))
        for node in _definitions(text):
            last = node.end_lineno or node.lineno
            if node.name == found.__name__ and _first_line(node) <= code.co_firstlineno <= last:
                return node, function.__globals__
    with suppress(OSError, TypeError, SyntaxError, KeyError):
        alone = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
        return alone, vars(sys.modules[found.__module__])
    raise UsageError(
        f"the source of {found.__qualname__} cannot be read, so no record could tell what was run: "
        "define it in a file, or give it a method of its own"
    )


def _functions(found: Any) -> Iterator[FunctionType]:
    """The functions that a class defines itself, or a function alone."""
    for value in [found] if isinstance(found, FunctionType) else vars(found).values():
        inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if isinstance(inner, FunctionType):
            yield inner


def _definitions(text: str) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _first_line(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _plain(node: ast.AST) -> str:
    """The text of a statement without comments, docstrings and spacing."""
    for each in ast.walk(node):
        body = getattr(each, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            each.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(node)
