"""Which paths are written to as they are: devices, pipes and what stands for an open file must not be replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OPEN_FILES = ("/dev", "/proc")  # /dev/stdout, /dev/fd/3, /proc/self/fd/1: a file that some process has open
_MOST_LINKS = 40


def is_written_in_place(path: Path) -> bool:
    """Whether a path is no regular file, or names one that is open: such a path must be written to, never replaced.

    A folder and a path where nothing lies yet are none of these.
    """
    place = Path(os.path.abspath(path))
    for _ in range(_MOST_LINKS):
        try:
            mode = os.lstat(place).st_mode
        except OSError:
            return False
        if not stat.S_ISLNK(mode):
            return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
        if any(place.is_relative_to(folder) for folder in _OPEN_FILES):
            return True
        place = Path(os.path.normpath(place.parent / os.readlink(place)))
    return False


def written_place(path: Path) -> Path:
    """Where a file is to be written: what a symbolic link leads to, so that the link itself stays."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path
