"""Folders that a user names: there, a folder, and writable, each checked with the same words and the same exit code."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bench.errors import UsageError
from bench.files.atomic import explanation
from bench.files.full import is_read_only


def require_folder(path: Path, flag: str, cure: str) -> Path:
    """The folder itself.

    Args:
        path: what the user named.
        flag: how it was named, such as ``--data``; empty for an argument.
        cure: what to name instead, as a sentence.

    Raises:
        UsageError: there is nothing, or a file.
    """
    named = f"{flag} {path}".strip()
    if not path.exists():
        raise UsageError(f"{named}: no such folder. {cure}")
    if not path.is_dir():
        raise UsageError(f"{named}: that is a file, and a folder is needed. {cure}")
    return path


def require_writable(path: Path, flag: str) -> None:
    """Make sure, without writing, that a folder can be made at a path or written to.

    Raises:
        UsageError: it or a folder above it is a file, or may not be written to.
    """
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        what = "that is a file" if place == path.absolute() else f"{place} is a file"
        raise UsageError(f"{flag} {path}: {what}. Name a folder.")
    if is_read_only(place):
        raise UsageError(f"{flag} {path}: {explanation(OSError(errno.EROFS, os.strerror(errno.EROFS)), place)}")
    if not os.access(place, os.W_OK | os.X_OK) or _is_of_the_kernel(place):
        raise UsageError(f"{flag} {path}: no folder can be written in {place}. Name another place, or mend its rights.")


def require_usable(path: Path, flag: str) -> None:
    """The same for a cache, which may also be a folder to be read alone: a complete one needs no writing.

    Raises:
        UsageError: it is not there and cannot be made, or may be neither written nor read.
    """
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK) or _is_of_the_kernel(path):
        require_writable(path, flag)


def _is_of_the_kernel(place: Path) -> bool:
    """Whether a folder shows the kernel's state: nobody can write there, whatever its rights say."""
    return Path(os.path.realpath(place)).parts[:2] in ((os.sep, "proc"), (os.sep, "sys"))
