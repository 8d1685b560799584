"""Options and values that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.errors import UsageError

PathType = click.Path(path_type=Path)


class Listed(click.ParamType):
    """Comma-separated values of one type; together with ``multiple=True`` also repeated ones."""

    name = "list"

    def __init__(self, convert: Callable[[str], Any], what: str) -> None:
        self.convert_one = convert
        self.what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """One option's text as a tuple."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        try:
            return tuple(self.convert_one(word) for word in words)
        except ValueError:
            self.fail(f"{value!r} has to be {self.what}, separated by commas.", param, ctx)


def flat(groups: tuple[tuple[Any, ...], ...]) -> tuple[Any, ...]:
    """The values of a repeated list option, each once, in order."""
    return tuple(dict.fromkeys(value for group in groups for value in group))


def default_cache() -> Path:
    """Where generated data and caches lie unless told otherwise: BENCH_CACHE, else the user's cache folder."""
    import os

    import platformdirs

    named = os.environ.get("BENCH_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("rsna-lumbar-bench"))


def plugin_paths(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The ``--plugin`` paths, each known to exist."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"--plugin {path}: no such file or folder.")
    return tuple(path.resolve() for path in paths)
