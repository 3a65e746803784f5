"""A hash of the code that a component runs, read from its files without importing them.

The hash covers the component's module and everything that it imports from its own package, directly or
indirectly. It does not cover the interface that all components share, the modules of
``vaebench.hookspecs.SHARED``, which are identified by the package version.

The hash is taken of the syntax tree, so that it changes when results could change. It ignores formatting;
comments and docstrings; the order of imports; what only a type checker reads (``if TYPE_CHECKING``, return
types); the text of errors and of ``Meta(description=...)``; and the location of a module of the own package
or of the interface, as long as its definitions keep their names.
"""

import ast
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from vaebench.composing.slots import SLOTS
from vaebench.hookspecs import SHARED
from vaebench.registry import Registry

_OWN = "vaebench"


@dataclass(frozen=True)
class _Source:
    """A module's program."""

    name: str
    package: str
    tree: ast.Module

    def imports(self) -> Collection[str]:
        """Return the names of all modules that it may import.

        Imports inside functions count too, and ``a.b`` counts for ``from a import b``.
        """
        names = set()
        for node in ast.walk(self.tree):
            for base, name, _ in _imported(node, self.package):
                names |= {base, f"{base}.{name}"} if name else {base}
        return names


@cache
def source_sha256(target: str) -> str | None:
    """Return the SHA-256 of the code of a target ``module:attribute``; None where it cannot be read."""
    module = target.partition(":")[0]
    try:
        sources = reached(module)
        if module not in sources:
            return None
        root = module.partition(".")[0]
        own = {name: _sha256(_shape(source.tree, source.package, root)) for name, source in sources.items()}
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    # A module counts by its program and the programs that it imports, not by its name.
    linked = {
        name: _sha256([own[name], sorted(own[module] for module in source.imports() if module in own)])
        for name, source in sources.items()
    }
    return _sha256([linked.pop(module), sorted(linked.values())])


def reached(module: str) -> Mapping[str, _Source]:
    """Return a module and the modules of its package that it imports, by name, without the shared interface.

    :raises OSError, SyntaxError, ValueError: where one of them cannot be read
    """
    root = module.partition(".")[0]
    sources: dict[str, _Source] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = None if name in sources else _file(name)
        if path is None:
            continue
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        tree = _Bare().visit(ast.parse(path.read_bytes()))
        sources[name] = _Source(name, package, tree)
        pending += [
            imported
            for imported in sources[name].imports()
            if imported.partition(".")[0] == root and not _of_interface(imported)
        ]
    return sources


def _of_interface(name: str) -> bool:
    """Whether a module belongs to the interface; a package includes its modules, vaebench only itself."""
    return name == _OWN or any(name == shared or name.startswith(f"{shared}.") for shared in SHARED)


def _file(module: str) -> Path | None:
    """Return a module's source file, without importing its parent packages."""
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


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, str, str]]:
    """Yield what an import statement imports: module, name in it, local name; an empty text for none."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "", alias.asname or "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        yield from ((base, alias.name, alias.asname or "") for alias in node.names)


class _Bare(ast.NodeTransformer):
    """Removes from a program what cannot change a result."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop docstrings and ``...``."""
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        """Drop ``pass``."""

    def visit_If(self, node: ast.If) -> Any:
        """Drop what only a type checker reads."""
        self.generic_visit(node)
        named = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", "")
        return node.orelse if named == "TYPE_CHECKING" else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop the type of what it returns."""
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Drop the type of what it returns."""
        node.returns = None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Drop the text of an error."""
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """Drop the text of an assertion."""
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Drop the description of a parameter."""
        if (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        ) == "Meta":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)


def _shape(value: Any, package: str, root: str) -> Any:
    """Convert a syntax tree to nested lists, which are the same for every version of Python."""
    if isinstance(value, ast.Constant):
        return ["Constant", type(value.value).__name__, repr(value.value)]
    if isinstance(value, ast.AST):
        fields = ((name, _shape(inner, package, root)) for name, inner in ast.iter_fields(value))
        # Empty fields are left out, because older versions of Python lack some of them.
        return [type(value).__name__, *([name, inner] for name, inner in fields if inner not in (None, []))]
    if isinstance(value, list):
        return list(_statements(value, package, root))
    return value


def _statements(nodes: list[Any], package: str, root: str) -> Iterator[Any]:
    """Convert a list of nodes; the order of consecutive imports does not count."""
    for imports, run in groupby(nodes, lambda node: isinstance(node, ast.Import | ast.ImportFrom)):
        if not imports:
            yield from (_shape(node, package, root) for node in run)
            continue
        names = {
            # For modules of the own package or the interface only names count, not locations.
            ("" if base.partition(".")[0] == root or _of_interface(base) else base, name, here)
            for node in run
            for base, name, here in _imported(node, package)
        }
        yield ["imports", *map(list, sorted(names))]


def _sha256(shape: Any) -> str:
    return hashlib.sha256(repr(shape).encode("utf-8", "surrogatepass")).hexdigest()


def installed(registry: Registry) -> dict[tuple[str, str, str], str]:
    """Return the code hashes of all installed components: (slot, name, package) -> hash.

    Components whose code cannot be read are left out.
    """
    hashes = {
        (slot, registered.entry.name, registered.package): source_sha256(registered.entry.target)
        for slot, kind in SLOTS.items()
        for registered in registry.entries(kind)
    }
    return {part: code for part, code in hashes.items() if code is not None}
