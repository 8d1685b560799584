"""Killing a forked child at its n-th operation on files: before it, or in the middle of writing."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 97
_CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def run_until(work: Callable[[], object], operation: int, root: Path) -> int:
    """Do work in a fork that ends without any clearing up at its n-th operation below ``root``.

    Returns:
        The exit code: `KILLED`, 0 if the work had fewer operations, or 1 if it raised.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _watch(operation, str(root))
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _watch(operation: int, root: str) -> None:
    count = 0

    def step() -> bool:
        """Whether the process is to end now."""
        nonlocal count
        count += 1
        return count == operation

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            changes = bool(flags & _FLAGS) if isinstance(flags, int) else any(one in (mode or "") for one in "wax+")
        elif event in _CHANGING:
            path, changes = arguments[0], True
        else:
            return
        if changes and isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(root) and step():
            os._exit(KILLED)

    write, fsync = os.write, os.fsync

    def torn_write(handle: int, content: bytes) -> int:
        if step():
            write(handle, bytes(content)[: len(content) // 2])
            os._exit(KILLED)
        return write(handle, content)

    def watched_fsync(handle: int) -> None:
        if step():
            os._exit(KILLED)
        fsync(handle)

    os.write, os.fsync = torn_write, watched_fsync  # type: ignore[assignment]
    _tear_files(step)
    sys.addaudithook(hook)


def _tear_files(step: Callable[[], bool]) -> None:
    """Have `Path.write_bytes`, by which all small files are written, stop in the middle too."""
    whole = Path.write_bytes

    def torn(self: Path, data: Any) -> int:
        if step():
            with builtins.open(self, "wb") as stream:
                stream.write(bytes(data)[: len(data) // 2])
            os._exit(KILLED)
        return whole(self, data)

    Path.write_bytes = torn  # type: ignore[method-assign]
