"""Only what is a file is opened as a file: reading a named pipe or a device can wait for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_WORDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def what_else(path: Path) -> str | None:
    """What a path is that is neither file nor folder, such as ``a named pipe``; None for these. Links are followed.

    Raises:
        OSError: if there is no such path, or no right to look at it.
    """
    return _WORDS.get(stat.S_IFMT(os.stat(path).st_mode))
