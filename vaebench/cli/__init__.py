"""The command line: one thin function per command; heavy modules are imported inside it."""

import contextlib
import os
import sys

import click

import vaebench
from vaebench import interrupts
from vaebench.cli import (
    bench,
    board,
    check,
    encode,
    export,
    imports,
    parts,
    pictures,
    plugin,
    rates,
    refit,
    runs,
)
from vaebench.cli.streams import spell_what_cannot_be_encoded
from vaebench.errors import VaebenchError, refused


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(vaebench.__version__, package_name="vaebench")
def group() -> None:
    """Compose, train and score variational autoencoders, and rank them honestly.

    \b
      vaebench run --compose enc=resnet,latent=topdown,prior=normal
      vaebench list
      vaebench show latent=topdown

    Exit codes: 0 success, 1 failure, 2 wrong usage, 3 training diverged, 4 run folder in use, 5 damaged
    files, 130 interrupted (Ctrl-C), 143 terminated. Training saves a checkpoint before it exits with 130 or
    143.
    """


for command in (
    runs.run,
    bench.bench,
    refit.refit,
    runs.evaluate,
    pictures.sample,
    pictures.reconstruct,
    pictures.morph,
    pictures.traverse,
    pictures.latents,
    pictures.codes,
    rates.rates,
    encode.encode,
    export.export,
    imports.import_,
    parts.list_,
    parts.show,
    board.leaderboard,
    board.submit,
    check.check,
    plugin.new_plugin,
):
    group.add_command(command)


def main() -> None:
    """Run the command line; every failure that a person can fix is printed as one line on stderr."""
    spell_what_cannot_be_encoded()
    try:
        with interrupts.heeded():
            code = group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except VaebenchError as error:
        click.echo(f"vaebench: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__ or error if isinstance(error, click.Abort) else error
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo(f"vaebench: {interrupts.line(cause)}", err=True)
        code = interrupts.exit_code(cause)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        if os.environ.get("VAEBENCH_DEBUG"):
            raise
        click.echo(f"vaebench: {refused(error)}", err=True)
        code = 1
    except Exception as error:
        if os.environ.get("VAEBENCH_DEBUG"):
            raise
        text = " ".join(str(error).split())
        click.echo(
            f"vaebench: unexpected {type(error).__name__}: {text} (set VAEBENCH_DEBUG=1 for the traceback)",
            err=True,
        )
        code = 1
    sys.exit(code or 0)
