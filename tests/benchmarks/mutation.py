"""How many small changes of a file the tests notice. In a copy of the package, never in this checkout:
OMP_NUM_THREADS=1 python -m tests.benchmarks.mutation vaebench/training/loop.py --tests tests/training \\
    --then tests/recomputation/test_training.py --sample 20
"""

import argparse
import ast
import copy
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parents[2]
LIMIT = 240
"""Seconds of the processor after which a mutant counts as noticed: it loops."""
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
UNARY = ("abs", "clamp", "clone", "detach", "double", "exp", "log", "sigmoid", "sign", "square", "tanh")
"""Methods that can be left out: x.abs() becomes x."""
UNSEEN = ("device", "strict")
"""Keywords that change nothing where the tests run and their inputs are whole."""


class Mutant(NamedTuple):
    """A file with one change."""

    line: int
    change: str
    source: bytes


def mutants(source: bytes) -> Iterator[Mutant]:
    """Every change of one place: operators, numbers, conditions, arguments, statements."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _places(ast.parse(source)):
        for new in _changes(node):
            begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            text = ast.unparse(new)
            inside = f"({text})" if isinstance(new, ast.expr) else text
            change = f"{' '.join(source[begin:end].decode().split())[:50]} -> {text[:50]}"
            yield Mutant(node.lineno, change, source[:begin] + inside.encode() + source[end:])  # type: ignore[attr-defined]


def _places(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """What can be changed: no annotation, docstring or text."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _places(child)


def _changes(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """The node, changed in one way each time."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare) and len(new.ops) == 1:
        new.ops = [COMPARISONS[type(new.ops[0])]()]
        yield new
    elif isinstance(new, ast.BinOp) and type(new.op) in ARITHMETIC:
        new.op = ARITHMETIC[type(new.op)]()
        yield new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield new
    elif isinstance(new, ast.UnaryOp):
        yield new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool | int | float):
        new.value = _other(new.value)
        yield new
    elif isinstance(new, ast.IfExp):
        yield from (new.body, new.orelse)
    elif isinstance(new, ast.Call):
        yield from _calls(new)
    elif isinstance(new, ast.Expr | ast.AugAssign | ast.Assign) and _acts(new):
        yield ast.Pass()


def _other(value: bool | int | float) -> bool | int | float:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else 2 * value + 0.1


def _acts(node: ast.Expr | ast.AugAssign | ast.Assign) -> bool:
    """Whether a statement does something, and can be left out without leaving a name unknown."""
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    return not isinstance(node.value, ast.Constant)


def _calls(call: ast.Call) -> Iterator[ast.expr]:
    plain = [a for a in call.args if not isinstance(a, ast.Starred)]
    if len(plain) == len(call.args) >= 2:
        swapped = copy.deepcopy(call)
        swapped.args[:2] = swapped.args[1::-1]
        yield swapped
    for place, keyword in enumerate(call.keywords):
        if keyword.arg is not None and keyword.arg not in UNSEEN:
            without = copy.deepcopy(call)
            del without.keywords[place]
            yield without
    if isinstance(call.func, ast.Attribute) and call.func.attr in UNARY:
        yield call.func.value


def compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def preload() -> None:
    """What every test run would import: a fork then starts with it."""
    import hypothesis  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pandas as pd  # noqa: F401
    import pytest  # noqa: F401
    import scipy.linalg  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch
    import torch_fidelity  # noqa: F401
    import torchvision  # noqa: F401

    torch.set_num_threads(1)


def passes(root: Path, tests: Sequence[str]) -> bool:
    """Whether the tests of the copy at ``root`` pass, in a fork of this process."""
    child = os.fork()
    if not child:
        _in_child(root, tests)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _in_child(root: Path, tests: Sequence[str]) -> None:
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
        nowhere = os.open(os.environ.get("MUTATION_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        for name in [n for n in sys.modules if n.split(".")[0] in ("vaebench", "tests")]:
            del sys.modules[name]
        sys.dont_write_bytecode = True
        os.chdir(root)
        sys.path[:] = [str(root), *(p for p in sys.path if p not in ("", str(HERE)))]
        import pytest
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutation",  # a failure is enough: no smaller one is looked for
            deadline=None,
            derandomize=True,
            max_examples=25,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        )
        words = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-profile", "mutation"]
        words += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported before the fork
        code = int(pytest.main([*words, *tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def copied(into: Path) -> Path:
    """This checkout's package and tests, elsewhere."""
    ignored = shutil.ignore_patterns("__pycache__", ".git", ".venv", "runs")
    for name in ("vaebench", "tests", "plugins"):
        shutil.copytree(HERE / name, into / name, ignore=ignored)
    shutil.copy(HERE / "pyproject.toml", into)
    return into


def main() -> int:
    """Print each mutant that no test notices, and the share of those that one does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="+", help="relative to the checkout")
    parser.add_argument("--sample", type=int, default=20, help="mutants of each file, drawn from seed 0")
    parser.add_argument("--tests", nargs="+", required=True, help="test files or folders")
    parser.add_argument("--then", nargs="+", default=[], help="tests that are run on what those let pass")
    asked = parser.parse_args()
    preload()
    with tempfile.TemporaryDirectory(prefix="mutation-") as made:
        root = copied(Path(made))
        if not passes(root, asked.tests) or not (not asked.then or passes(root, asked.then)):
            print("the tests fail on the file as it is")
            return 1
        for file in asked.file:
            _try(root, file, asked.sample, asked.tests, asked.then)
    return 0


def _try(root: Path, file: Path, count: int, tests: Sequence[str], then: Sequence[str]) -> None:
    whole = (root / file).read_bytes()
    possible = [each for each in mutants(whole) if compiles(each.source)]
    chosen = random.Random(0).sample(possible, min(count, len(possible)))
    before = after = 0
    for mutant in sorted(chosen, key=lambda one: one.line):
        (root / file).write_bytes(mutant.source)
        if not passes(root, tests):
            before += 1
        elif then and not passes(root, then):
            after += 1
            print(f"  caught by the second tests: {file}:{mutant.line}: {mutant.change}", flush=True)
        else:
            print(f"  survives: {file}:{mutant.line}: {mutant.change}", flush=True)
    (root / file).write_bytes(whole)
    print(
        f"{file}: {before} of {len(chosen)} noticed, {before + after} with the second tests "
        f"({len(possible)} possible)",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
