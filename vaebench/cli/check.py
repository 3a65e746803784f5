"""``vaebench check``: are a part's promises kept?"""

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


@click.command()
@click.argument("what", default="all", shell_complete=_complete)
@click.option("-v", "--verbose", is_flag=True, help="Also the laws that hold, and those that do not apply.")
@click.option(
    "--effort", type=click.FloatRange(0, min_open=True), default=1.0, help="Times as many examples."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable verdicts, with the time of each.")
@click.pass_context
def check(context: click.Context, what: str, verbose: bool, effort: float, as_json: bool) -> None:
    """Try a part against every law of its kind, and show the smallest counter-example of each one it breaks.

    WHAT is KIND=NAME or SLOT=NAME, a package, or all.

    \b
      vaebench check prior=normal
      vaebench check vaebench-mine --json
      vaebench check all

    Exit code 0 where all laws hold, 1 where one is broken.
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
        asked = subjects_of(what, registry.load())
        found = verdicts(asked, effort)
        kept = _as_json(found) if as_json else _as_text(found, verbose)
    finally:
        torch.set_num_threads(threads)
    context.exit(0 if kept else 1)


def _as_json(found: "Iterable[Verdict]") -> bool:
    from vaebench.storage.strict_json import strict

    every = list(found)
    click.echo(strict(every, indent=2))
    return all(verdict.status != "broken" for verdict in every)


def _as_text(found: "Iterable[Verdict]", verbose: bool) -> bool:
    """One line per part, after the laws that it breaks; a summary at the end."""
    from vaebench.testing.report import lines

    total: Counter[str] = Counter()
    for _, group in groupby(found, lambda verdict: (verdict.kind, verdict.name, verdict.package)):
        count: Counter[str] = Counter()
        seconds = 0.0
        for verdict in group:
            count[verdict.status] += 1
            seconds += verdict.seconds
            if verbose or verdict.status == "broken":
                click.echo("\n".join(lines(verdict)))
        click.echo(f"{f'{verdict.kind}={verdict.name}':28} {_counts(count)}  ({seconds:.1f} s)")
        total += count
    click.echo(f"{'in all':28} {_counts(total)}" + ("" if verbose else "; -v lists them"))
    return not total["broken"]


def _counts(count: "Counter[str]") -> str:
    said = [f"{count['holds']:3} laws hold"]
    if count["broken"]:
        said.append(f"{count['broken']} BROKEN")
    if count["does not apply"]:
        said.append(f"{count['does not apply']} do not apply")
    return ", ".join(said)
