"""Which file system an error of a full disk came from, and whether it lacks room, files or a temporary folder."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

# An error came from a file system with less room than this, rather than from one with more.
_NO_ROOM_BYTES = 1 << 20


def temporary_folder() -> Path:
    """The folder for temporary files, as `tempfile` chooses it; where none can be written, the one it is told."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path(os.environ.get("TMPDIR", os.sep))


def blamed_place(error: OSError, place: Path) -> Path:
    """The path that an error is about: the one it names, else ``place``, else the folder for temporary files.

    What is written by C libraries, or into a file that is open, names none; then the first of both file systems that
    is full is meant.
    """
    if isinstance(error.filename, (str, bytes)):
        return Path(os.fsdecode(error.filename))
    temporary = temporary_folder()
    if error.errno == errno.ENOSPC and not _is_full(place) and _is_full(temporary):
        return temporary
    return place


def lacks_temporary_folder(error: BaseException) -> bool:
    """Whether an error is that of `tempfile`, which has found no folder that it can write."""
    return isinstance(error, OSError) and error.errno == errno.ENOENT and "temporary directory" in str(error.strerror)


def has_no_inodes(place: Path) -> bool:
    """Whether a file system holds as many files as it can."""
    state = _state(place)
    return state is not None and state.f_files > 0 and state.f_favail == 0


def is_read_only(place: Path) -> bool:
    """Whether a file system is mounted without the right to write."""
    state = _state(place)
    return state is not None and bool(state.f_flag & os.ST_RDONLY)


def _is_full(place: Path) -> bool:
    state = _state(place)
    return state is not None and (state.f_bavail * state.f_frsize < _NO_ROOM_BYTES or has_no_inodes(place))


def _state(place: Path) -> os.statvfs_result | None:
    try:
        return os.statvfs(place)
    except (OSError, AttributeError):  # Windows has none
        return None
