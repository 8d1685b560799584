"""Who holds a lock, and whether that process still lives."""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes:
        pid: its process.
        host: the name of its host.
        token: tells this taking of the lock from every other one.
        system: boot and process namespace in which ``pid`` has a meaning; empty where the system does not tell.
        started: when the process started, in ticks since boot; tells it from a later one with the same pid.
    """

    pid: int
    host: str
    token: str
    system: str = ""
    started: int | None = None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @classmethod
    def this_process(cls) -> Self:
        """This process, with a new token."""
        pid = os.getpid()
        return cls(pid, socket.gethostname(), uuid.uuid4().hex, _system(), _started(pid))

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """The holder that `to_json` wrote, or None for anything else."""
        try:
            values = json.loads(text)
            holder = cls(**values)
        except (ValueError, TypeError, RecursionError):
            return None
        return holder if holder._has_the_right_types() else None

    def to_json(self) -> str:
        """As the content of a lock file."""
        return json.dumps(asdict(self))

    def lives(self) -> bool | None:
        """Whether the process lives; None if that cannot be told from here (another host, or no ``/proc``)."""
        if self.host != socket.gethostname() or self.system != _system():
            return None
        if self.started is not None:
            return _started(self.pid) == self.started
        return None if _answers(self.pid) else False

    def _has_the_right_types(self) -> bool:
        texts: tuple[Any, ...] = (self.host, self.token, self.system)
        numbers = type(self.pid) is int and 0 < self.pid < 2**31 and type(self.started) in (int, type(None))
        return numbers and all(isinstance(text, str) for text in texts)


UNREADABLE = Holder(0, "an unknown host (its lock file cannot be read)", "")


def read_holder(path: Path) -> Holder | None:
    """The holder that a lock file names; None for a missing file and for one that no holder wrote.

    A link is not followed, and a pipe not waited for. `UNREADABLE` stands for a file that may not be read.

    Raises:
        OSError: the file system does not answer.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except PermissionError:
        return UNREADABLE
    except OSError:
        if path.is_symlink():
            return None
        raise
    try:
        return Holder.from_json(os.read(handle, _MOST_BYTES).decode("utf-8", "replace"))
    except IsADirectoryError:
        return None
    finally:
        os.close(handle)


def _answers(pid: int) -> bool:
    """Whether there is a process with this number, asked by signal 0."""
    if os.name == "nt":  # signal 0 would end the process there; its heartbeat tells
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> int | None:
    """When a process started, in ticks since boot; None if it is gone, is a zombie, or there is no ``/proc``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@cache
def _system() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
