"""Locks between processes and hosts: one file with who holds it, kept fresh by a heartbeat, taken over when stale.

A lock is stale when its holder is gone:

- On the holder's own host its process decides, known by number and start time. A process that was only stopped (by a
  laptop lid or SIGSTOP) keeps its lock, however old its heartbeat is.
- On other hosts the heartbeat decides: `STALE_S` without one. Ages are measured by the clock of the file system. A time
  from the future (a clock that was set back) is set to now by whoever wants the lock, or, where that is not allowed,
  counts as stale once it has not changed for `STALE_S` of the observer's own clock.
- A file that no holder wrote is stale after `UNSIGNED_S`.

A holder that was taken over nevertheless (it was away for longer than that) learns it from `Lock.require`, which it
calls before it renames anything that matters: so only one of the two writes.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError
from bench.files.atomic import explained
from bench.files.holder import Holder, read_holder

HEARTBEAT_S = 2.0
STALE_S = 60.0
UNSIGNED_S = 2.0
POLL_S = 0.2
_READ_ATTEMPTS = 4

# When this process first saw a lock file with just this time: (mtime in ns, monotonic seconds) by path.
_observed: dict[Path, tuple[int, float]] = {}


class LostLockError(BenchError):
    """Another process holds the lock by now: nothing more may be written under it."""


class Lock:
    """A lock file. Use `acquire` or, to wait, `with lock:`; it is released by whoever took it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._holder = Holder.this_process()
        self._lost = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free or stale. Returns whether it is ours now."""
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._create() and not self._take_over():
                return False
        self._lost = False
        self._stop.clear()
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"heartbeat of {self.path.name}")
        self._thread.start()
        return True

    def wait(self, on_wait: Callable[[Holder | None], None] = lambda _: None) -> None:
        """Take the lock as soon as it can be had; ``on_wait`` is told once who holds it."""
        if self.acquire():
            return
        on_wait(self.holder())
        while not self.acquire():
            time.sleep(POLL_S)

    def release(self) -> None:
        """Give the lock back, if it is still ours."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with explained(self.path):
            if self._is_signed_by_us():
                self.path.unlink(missing_ok=True)

    def holder(self) -> Holder | None:
        """Who holds it now, or None if nobody does (or the file was not written by a holder)."""
        with explained(self.path):
            return read_holder(self.path)

    def is_held(self) -> bool:
        """Whether somebody alive holds it."""
        with explained(self.path):
            return os.path.lexists(self.path) and not self._is_stale(time.time())

    def still_ours(self) -> bool:
        """Whether this process still holds it: nobody took it over, and its heartbeat came through lately."""
        with explained(self.path):
            return not self._lost and self._is_signed_by_us()

    def require(self) -> None:
        """Make sure that the lock is still ours; called before anything that matters is renamed.

        Raises:
            LostLockError: it is not.
        """
        if not self.still_ours():
            raise LostLockError(
                f"the lock {self.path} was lost to {self.holder() or 'nobody that can be named'} while this process "
                "was stopped or the file system did not answer. Nothing more is written here. "
                "Run the same command again: what the other process has made is used."
            )

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _create(self) -> bool:
        """Sign a file beside and link it to the name, so that the lock is never there unsigned."""
        if os.path.lexists(self.path):
            return False
        handle, signed = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(self._holder.to_json())
            os.chmod(signed, 0o644)
            try:
                os.link(signed, self.path)
            except FileExistsError:
                return False
            except OSError:  # a file system without links (FAT, some network disks)
                return self._create_unlinked()
            return True
        finally:
            Path(signed).unlink(missing_ok=True)

    def _create_unlinked(self) -> bool:
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(self._holder.to_json())
        return True

    def _take_over(self) -> bool:
        """Replace a stale lock. A second file sees to it that only one process at a time judges and removes."""
        if not self._may_be_stale():
            return False
        judging = self.path.with_name(f"{self.path.name}.judging")
        if (age := _age(judging, time.time())) is not None and abs(age) > STALE_S:  # its maker was killed meanwhile
            judging.unlink(missing_ok=True)
        try:
            os.close(os.open(judging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            return False
        try:
            now = os.lstat(judging).st_mtime  # the file system's own clock, whatever ours says
            judged = os.lstat(self.path)
            return self._is_stale(now, mend_future=True) and self._remove(judged) and self._create()
        except FileNotFoundError:  # released meanwhile
            return False
        finally:
            judging.unlink(missing_ok=True)

    def _remove(self, judged: os.stat_result) -> bool:
        """Rename the lock away and look at what came: one that was taken or beat after it was judged is put back."""
        aside = self.path.with_name(f".{self.path.name}.{self._holder.token}")
        self.path.rename(aside)
        found = os.lstat(aside)
        same = (found.st_ino, found.st_mtime_ns) == (judged.st_ino, judged.st_mtime_ns)
        with contextlib.suppress(OSError):
            if not same:
                os.link(aside, self.path, follow_symlinks=False)
            aside.unlink()
        return same

    def _may_be_stale(self) -> bool:
        """A quick look without writing: False for a living holder on this host and for a fresh heartbeat."""
        holder = read_holder(self.path)
        lives = holder.lives() if holder is not None else None
        if lives is not None:
            return not lives
        age = _age(self.path, time.time())
        return age is None or not 0 <= age <= (UNSIGNED_S if holder is None else STALE_S)

    def _is_stale(self, now: float, *, mend_future: bool = False) -> bool:
        holder = read_holder(self.path)
        if holder is not None and (lives := holder.lives()) is not None:
            return not lives
        age = _age(self.path, now)
        if age is None:
            return False  # released meanwhile
        patience = UNSIGNED_S if holder is None else STALE_S
        if age >= -1:
            return age > patience
        if mend_future:
            with contextlib.suppress(OSError):
                os.utime(self.path, follow_symlinks=False)
        return _unchanged_for(self.path) > patience

    def _is_signed_by_us(self) -> bool:
        for attempt in range(_READ_ATTEMPTS):
            try:
                holder = read_holder(self.path)
            except OSError:  # one hiccup of a network disk says nothing
                if attempt == _READ_ATTEMPTS - 1:
                    raise
                time.sleep(POLL_S)
            else:
                return holder is not None and holder.token == self._holder.token
        return False

    def _beat(self) -> None:
        """Keep the file's time fresh. Errors are waited out, but not for longer than half of `STALE_S`."""
        last = time.monotonic()
        while not self._stop.wait(HEARTBEAT_S):
            try:
                if not self._is_signed_by_us():  # taken over: its new holder beats for itself
                    self._lost = True
                    return
                os.utime(self.path, follow_symlinks=False)
                last = time.monotonic()
            except OSError:
                if time.monotonic() - last > STALE_S / 2:
                    self._lost = True
                    return


def _age(path: Path, now: float) -> float | None:
    """Seconds since a file was touched; None if it is gone. A link is not followed."""
    try:
        return now - os.lstat(path).st_mtime
    except FileNotFoundError:
        return None


def _unchanged_for(path: Path) -> float:
    """For how many seconds of its own monotonic clock this process has seen the file with the time that it has now."""
    try:
        touched = os.lstat(path).st_mtime_ns
    except FileNotFoundError:
        return 0.0
    known = _observed.get(path)
    if known is None or known[0] != touched:
        known = _observed[path] = (touched, time.monotonic())
    return time.monotonic() - known[1]
