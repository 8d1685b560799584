"""Options that several verbs share, each declared once with one help text, and the values behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.errors import UsageError

PathType = click.Path(path_type=Path)

# The data set of a run that names none: generated on first use, so that a first run needs no data.
DEFAULT_DATASET = "phantom"
DEFAULT_STORE = Path("runs")

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

plugins: Option = click.option(
    "--plugin", "plugins", type=PathType, multiple=True, help="File or folder of a plug-in; may be repeated."
)
cache_dir: Option = click.option(
    "--cache-dir",
    type=PathType,
    help="Folder for generated data and prepared images.  [default: BENCH_CACHE, or the user's cache folder]",
)
store: Option = click.option(
    "-o",
    "--out",
    "out",
    type=PathType,
    default=DEFAULT_STORE,
    show_default=True,
    help="The store: the folder of all results.",
)
runs: Option = click.option(
    "--runs", type=PathType, default=DEFAULT_STORE, show_default=True, help="The store that RUN is a name in."
)
as_json: Option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output and nothing else there."
)
workers: Option = click.option(
    "--jobs", type=click.IntRange(min=1), help="Number of processes.  [default: one per core]"
)

device: Option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")


def precision(of: str) -> Option:
    """``--precision`` of training, prediction or both."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        default="auto",
        show_default=True,
        help=f"Floating-point format of {of}.",
    )


def _dataset(**default: Any) -> Option:
    return click.option("--dataset", help="Data set, or data set and preset, such as phantom:standard.", **default)


dataset = _dataset(default=DEFAULT_DATASET, show_default=True)
dataset_unless_data = _dataset(show_default=f"{DEFAULT_DATASET}, or the folder that --data names")
data: Option = click.option(
    "--data", type=PathType, help="Folder of the data set; needed unless the data set is generated."
)


def output(what: str, *, default: str | None = None) -> Option:
    """The option ``-o``.

    Args:
        what: the file or folder to write, for the help text.
        default: the default in words; without one the option is required.
    """
    return click.option(
        "-o",
        "--out",
        "--output",  # of earlier releases
        "out",
        type=PathType,
        required=default is None,
        help=what + ("" if default is None else f"  [default: {default}]"),
    )


class Listed(click.ParamType):
    """Comma-separated values of one type; with ``multiple=True`` the option may also be repeated.

    Args:
        convert: makes a value of one word; raises ValueError.
        what: the values in words, for an error.
        ranges: whether ``0-3`` means 0, 1, 2 and 3.
    """

    name = "list"

    def __init__(self, convert: Callable[[str], Any], what: str, *, ranges: bool = False) -> None:
        self.convert_one = convert
        self.what = what
        self.ranges = ranges

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """The text of one option as a tuple."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        ranges = ", or a range such as 0-3" if self.ranges else ""
        if not words:
            self.fail(f"{value!r} names nothing. Give {self.what}, separated by commas{ranges}.", param, ctx)
        try:
            return tuple(each for word in words for each in self._values(word))
        except ValueError:
            self.fail(f"{value!r} has to be {self.what}, separated by commas{ranges}.", param, ctx)

    def _values(self, word: str) -> list[Any]:
        bounds = re.fullmatch(r"(\d+)-(\d+)", word) if self.ranges else None
        if bounds is None:
            return [self.convert_one(word)]
        first, last = int(bounds[1]), int(bounds[2])
        if last < first:
            raise ValueError(word)
        return list(range(first, last + 1))


def flat(groups: tuple[tuple[Any, ...], ...]) -> tuple[Any, ...]:
    """The values of a repeated list option, without duplicates, in order."""
    return tuple(dict.fromkeys(value for group in groups for value in group))


def default_cache() -> Path:
    """The cache folder without ``--cache-dir``: BENCH_CACHE, or the user's cache folder."""
    import os

    import platformdirs

    named = os.environ.get("BENCH_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("rsna-lumbar-bench"))


def cache_folder(named: Path | None) -> Path:
    """The cache folder, made for this user alone if it is not there. Raises BenchError where it cannot be made."""
    from bench.files.places import require_usable
    from bench.files.sharing import make_private

    folder = (named or default_cache()).resolve()
    require_usable(folder, "--cache-dir")
    make_private(folder)
    return folder


def plugin_paths(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The ``--plugin`` paths as absolute paths. Raises UsageError for one that does not exist."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"--plugin {path}: no such file or folder.")
    return tuple(path.resolve() for path in paths)
