"""Locks between processes and hosts: one file with who holds it, kept fresh by a heartbeat, taken over when stale."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.files.atomic import explained

HEARTBEAT_S = 2.0
STALE_S = 60.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    pid: int
    host: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lock:
    """A lock file. Use `acquire` or, to wait, `with lock:`; it is released by whoever took it.

    A lock is stale when its holder's process is gone from this host, or when its heartbeat is older than `STALE_S`.
    """

    def __init__(self, path: Path, on_heartbeat: Callable[[], None] | None = None) -> None:
        self.path = path
        self._holder = Holder(os.getpid(), socket.gethostname(), uuid.uuid4().hex)
        self._on_heartbeat = on_heartbeat
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free or stale. Returns whether it is ours now."""
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._create() and not self._take_over():
                return False
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"heartbeat of {self.path.name}")
        self._thread.start()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        holder = self.holder()
        if holder is not None and holder.token == self._holder.token:
            self.path.unlink(missing_ok=True)

    def holder(self) -> Holder | None:
        """Who holds it now, or None if nobody does (or its holder was killed before it could sign)."""
        return _read(self.path)

    def is_held(self) -> bool:
        """Whether somebody alive holds it."""
        return self.path.exists() and not self._is_stale(self.holder())

    def __enter__(self) -> Self:
        while not self.acquire():
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _create(self) -> bool:
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(self._holder)))
        return True

    def _take_over(self) -> bool:
        """Replace a stale lock. A second file sees to it that only one process at a time judges and removes."""
        judging = self.path.with_name(f"{self.path.name}.judging")
        if judging.exists() and _age(judging) > STALE_S:  # its maker was killed while it judged
            judging.unlink(missing_ok=True)
        try:
            os.close(os.open(judging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            return False
        try:
            if not self._is_stale(self.holder()):
                return False
            self.path.unlink(missing_ok=True)
            return self._create()
        finally:
            judging.unlink(missing_ok=True)

    def _is_stale(self, holder: Holder | None) -> bool:
        if holder is not None and holder.host == socket.gethostname() and not _is_alive(holder.pid):
            return True
        return _age(self.path) > STALE_S

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                os.utime(self.path)
            except OSError:
                return
            if self._on_heartbeat is not None:
                self._on_heartbeat()


def _age(path: Path) -> float:
    """Seconds since a file was touched; 0 if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # signal 0 would end the process there; its heartbeat tells
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
