"""Where the file system of a path is mounted, for messages that say which one is full or read-only."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def mount_point(path: Path) -> Path:
    """Where the file system of a path is mounted; the path itself need not exist."""
    place = Path(os.path.realpath(path))
    mounts = _mounts()
    while place != place.parent:
        with contextlib.suppress(OSError, ValueError):  # a part of it may be too long to be looked at
            if place in mounts or os.path.ismount(place):
                break
        place = place.parent
    return place


def _mounts() -> set[Path]:
    """What Linux lists: folders that are mounted from the same file system too, which a look at them does not tell."""
    try:
        rows = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return set()
    return {Path(os.fsdecode(_unescaped(row.split(b" ")[4]))) for row in rows}


def _unescaped(path: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), path)
