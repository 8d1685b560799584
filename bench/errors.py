"""Errors that a user can cure. The command line prints their message alone; a traceback only comes with ``--debug``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """Something went wrong that the message explains and whose cure it names. Exit code 1."""

    exit_code = 1


class UsageError(BenchError):
    """The suite was asked for something that does not exist or makes no sense. Exit code 2."""

    exit_code = 2


class DataError(BenchError):
    """A table or an image file is not what it has to be."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> UsageError:
    """The error for a name that is none of ``allowed``: repeats it, lists them, and guesses what was meant."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return UsageError(f"unknown {kind} {name!r}.{guess} There is: {', '.join(names) or 'none'}.")
