"""``vaebench check``: test whether a component keeps its contract."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

import click

from vaebench.errors import UsageError

if TYPE_CHECKING:
    from vaebench.testing.run import Verdict


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench import registry
    from vaebench.composing.slots import SLOTS

    parts = [r for r in registry.load().entries() if r.entry.kind in SLOTS.values()]
    words = ["all", *{r.package for r in parts}, *(f"{r.entry.kind}={r.entry.name}" for r in parts)]
    return [word for word in words if word.startswith(incomplete)]


@click.command(short_help="Test a component against its laws.")
@click.argument("what", default="all", shell_complete=_complete)
@click.option("-v", "--verbose", is_flag=True, help="List also the laws that hold or do not apply.")
@click.option(
    "--effort",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiply the number of examples.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the time of each law.")
@click.pass_context
def check(context: click.Context, what: str, verbose: bool, effort: float, as_json: bool) -> None:
    """Test a component against every law of its kind; show the smallest counterexample to each broken law.

    WHAT is KIND=NAME, SLOT=NAME, the name of a package, or all.

    \b
      vaebench check prior=normal
      vaebench check vaebench-mine --json
      vaebench check all

    Exit code 0 if all laws hold, 1 if a law is broken.
    """
    try:
        import hypothesis  # noqa: F401
        import pytest  # noqa: F401
    except ImportError as error:
        raise UsageError(f"check needs {error.name}: pip install 'vaebench[testing]'") from None
    import torch

    from vaebench import registry
    from vaebench.testing.run import verdicts
    from vaebench.testing.subjects import subjects_of

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are small: more threads only wait for each other
    try:
        results = verdicts(subjects_of(what, registry.load()), effort)
        kept = _as_json(results) if as_json else _as_text(results, verbose)
    finally:
        torch.set_num_threads(threads)
    context.exit(0 if kept else 1)


def _as_json(results: "Iterable[Verdict]") -> bool:
    from vaebench.storage.strict_json import strict

    every = list(results)
    click.echo(strict(every, indent=2))
    return all(verdict.status != "broken" for verdict in every)


def _as_text(results: "Iterable[Verdict]", verbose: bool) -> bool:
    """Print one line per component, after the laws that it breaks, and a summary at the end."""
    from vaebench.testing.report import lines

    total: Counter[str] = Counter()
    for _, group in groupby(results, lambda verdict: (verdict.kind, verdict.name, verdict.package)):
        count: Counter[str] = Counter()
        seconds = 0.0
        for verdict in group:
            count[verdict.status] += 1
            seconds += verdict.seconds
            if verbose or verdict.status == "broken":
                click.echo("\n".join(lines(verdict)))
        click.echo(f"{f'{verdict.kind}={verdict.name}':28} {_counts(count)}  ({seconds:.1f} s)")
        total += count
    click.echo(f"{'total':28} {_counts(total)}" + ("" if verbose else "; -v lists them"))
    return not total["broken"]


def _counts(count: "Counter[str]") -> str:
    texts = [f"{count['holds']:3} laws hold"]
    if count["broken"]:
        texts.append(f"{count['broken']} BROKEN")
    if count["does not apply"]:
        texts.append(f"{count['does not apply']} do not apply")
    return ", ".join(texts)
