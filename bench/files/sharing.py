"""Who else may write to a folder of ours: the cache is made private, and one that others may write to is named.

Whoever may write to a cache or a store can change what is predicted and reported from it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bench.files.atomic import explained


def make_private(folder: Path) -> None:
    """Make a folder, with its parents, that its owner alone may enter. One that is there keeps its rights.

    Raises:
        BenchError: the file system refuses.
    """
    if folder.is_dir():
        return
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def shared_with(folder: Path) -> str | None:
    """Who beside this user may write to a folder, in words; None if nobody may, or the system does not tell.

    A group that has this user's own name's number is private, as many systems make one per user.
    """
    if not hasattr(os, "getuid"):
        return None
    try:
        state = folder.stat()
    except OSError:
        return None
    if state.st_mode & stat.S_IWOTH:
        return "every user of this machine"
    if state.st_uid not in (os.getuid(), 0):
        return f"its owner, the user {_user(state.st_uid)}" if os.access(folder, os.W_OK) else None
    if state.st_mode & stat.S_IWGRP and state.st_gid != os.getuid():
        return f"the group {_group(state.st_gid)}"
    return None


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
