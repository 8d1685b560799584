"""The command line: one file per verb, each imported only when it is called."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import click

import bench
from bench.console.terminal import echo
from bench.errors import BenchError, UsageError, unknown
from bench.files.foreign import block
from bench.files.memory import address_space_limit, check_address_space


class LazyGroup(click.Group):
    """A group whose commands are imported on use, so that ``--help`` needs none of their imports.

    Args:
        verbs: command name -> (module that holds it as `command`, one line of help).
    """

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the help text."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The verb's command, imported now."""
        if name not in self.verbs:
            raise unknown("command", name, self.verbs)
        return importlib.import_module(self.verbs[name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.verbs.items()])


VERBS = {
    "run": ("bench.cli.run", "Train and score approaches on the same folds."),
    "report": ("bench.cli.report", "Compare all results of a store on one page."),
    "import": ("bench.cli.import_", "Add predictions made elsewhere to the comparison."),
    "compare": ("bench.cli.compare", "Compare two approaches of a store."),
    "score": ("bench.cli.score", "Score a submission with the competition's metric."),
    "predict": ("bench.cli.predict", "Grade new studies with trained approaches."),
    "export": ("bench.cli.export", "Export a trained approach for use elsewhere."),
    "new": ("bench.cli.new", "Make the folder of a new approach."),
    "check": ("bench.cli.check", "Check an approach against the contract, promise by promise."),
    "data": ("bench.cli.data", "Build, check, prepare and show data sets."),
    "list": ("bench.cli.list", "List approaches, data sets, reports and runs."),
}


@click.group(
    cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(bench.__version__, prog_name="bench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Compare approaches to grading lumbar spine MRI on the same folds, with one metric and their costs."""
    check_address_space()


def main(arguments: list[str] | None = None) -> None:
    """The console script. Exit code 0: done; 1: a failed job or faults in the data; 2: wrong use; 3: ended by
    `bench run --stop-after` with work left; 130: interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    sys.excepthook = _show_traceback
    try:
        # --debug is accepted anywhere on the command line
        code = group.main([word for word in arguments if word != "--debug"], prog_name="bench", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        if debug:
            raise
        text = io.StringIO()
        error.show(text)
        echo(text.getvalue().rstrip("\n"), err=True)
        sys.exit(UsageError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        echo("interrupted; finished work is kept. Run the same command again to continue.", err=True)
        sys.exit(130)
    except BenchError as error:
        if debug:
            raise
        echo(f"error: {block(str(error))}", err=True)
        sys.exit(error.exit_code)
    except (MemoryError, ImportError) as error:  # a library that finds no room fails at import
        if debug or (isinstance(error, ImportError) and address_space_limit() is None):
            raise
        echo("error: there is not enough memory. Allow more (`ulimit -v unlimited`), or fewer --jobs.", err=True)
        sys.exit(BenchError.exit_code)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        echo(f"error: {block(str(_explanation(error)))}", err=True)
        sys.exit(BenchError.exit_code)


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback without the control characters that names and values in it may hold."""
    echo("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"), err=True)


def _explanation(error: OSError) -> BenchError:
    """What helps against an error of the operating system that no place in the code expected."""
    from pathlib import Path

    from bench.files.atomic import KNOWN_CAUSES, explanation
    from bench.files.full import blamed_place

    path = blamed_place(error, Path())
    if error.errno in KNOWN_CAUSES or error.filename is None:
        return explanation(error, path)
    return BenchError(f"{error.strerror or error}: {path}. Mend that path or choose another one.")
