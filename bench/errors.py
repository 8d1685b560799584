"""Errors that a user can fix. The command line prints the message alone; ``--debug`` adds the traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """An error whose message explains the problem and names the cure. Exit code 1."""

    exit_code = 1


class UsageError(BenchError):
    """A request for something that does not exist or makes no sense. Exit code 2."""

    exit_code = 2


class DataError(BenchError):
    """A table or an image file does not have the required format."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> UsageError:
    """The error for a name that is not in ``allowed``: repeats the name, suggests a similar one, and lists all."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return UsageError(f"unknown {kind} {name!r}.{guess} Available: {', '.join(names) or 'none'}.")
