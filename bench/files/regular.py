"""Only what is a file is opened as a file: no link is written through, no pipe or device waited for.

In a folder that others may write to, a link can lead anywhere. What is written never goes through one, so that nothing
outside the folder is changed. Reading follows links: stores are kept by tools that make them, and what is read is
checked by its checksum or its shape.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from bench.errors import BenchError

_WORDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
# Windows has neither; there, no link is made without the right of an administrator.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


class NotAFileError(BenchError):
    """Where a file is expected there lies something else: a link, a pipe, a device or a folder."""


def what_else(path: Path) -> str | None:
    """What a path is that is neither file nor folder, such as ``a named pipe``; None for these. Links are followed.

    Raises:
        OSError: if there is no such path, or no right to look at it.
    """
    kind = stat.S_IFMT(os.stat(path).st_mode)
    return None if kind == stat.S_IFDIR else _WORDS.get(kind)


def open_unlinked(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor of a regular file for writing. Never truncates: what shall be empty is written anew instead.

    Raises:
        NotAFileError: it is a link or no regular file.
        OSError: as `os.open` does.
    """
    try:
        handle = os.open(path, flags | _NO_LINK | _NO_WAIT, mode)
    except OSError as error:
        if path.is_symlink():
            raise refusal(path, "a symbolic link") from error
        if error.errno in (errno.EISDIR, errno.ENXIO) and (kind := _kind(os.stat(path))) is not None:
            raise refusal(path, kind) from error
        raise
    kind = _kind(os.fstat(handle))
    if kind is not None:
        os.close(handle)
        raise refusal(path, kind)
    return handle


def refuse_link(path: Path) -> None:
    """Raise NotAFileError if a file that is to be replaced is a link or no regular file; it may be absent."""
    try:
        state = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    kind = "a symbolic link" if stat.S_ISLNK(state.st_mode) else _kind(state)
    if kind is not None:
        raise refusal(path, kind)


def read_bytes(path: Path) -> bytes:
    """The contents of a file; links are followed.

    Raises:
        NotAFileError: it is a pipe, a device or a folder, which is never waited for.
        OSError: as `open` does.
    """
    handle = os.open(path, os.O_RDONLY | _NO_WAIT | getattr(os, "O_BINARY", 0))
    kind = _kind(os.fstat(handle))
    if kind is not None:
        os.close(handle)
        raise refusal(path, kind)
    with open(handle, "rb") as stream:
        return stream.read()


def refusal(path: Path, kind: str) -> NotAFileError:
    """The error for what is no file of ours, with the cure."""
    return NotAFileError(
        f"{path} is {kind}, where a file of this program's own is expected; another user or program may have put it "
        "there. It was left as it is. Remove it, or choose another place, and run the same command again."
    )


def _kind(state: os.stat_result) -> str | None:
    return _WORDS.get(stat.S_IFMT(state.st_mode))
