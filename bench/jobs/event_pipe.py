"""The job's end of the pipe that its events go through."""

from __future__ import annotations

import os
import threading
from typing import Any

from bench.jobs.events import make_event


class EventPipe:
    """Writes events to a descriptor, which it takes over: no program that the job starts inherits it, and a fork of the
    job closes it and tells nothing, so that whoever reads sees the job's end."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor: int | None = descriptor
        self._writing = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._close)

    def emit(self, kind: str, **details: Any) -> None:
        """Tell one event, from any thread. Raises TypeError if there is none of this kind and details."""
        line = make_event(kind, **details).to_json().encode() + b"\n"
        if self._descriptor is None:  # in a fork, where the lock may be held for ever
            return
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except BrokenPipeError:  # the reader is gone; the job is being ended, which is no failure of its own
                return

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
