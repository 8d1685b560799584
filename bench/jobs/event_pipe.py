"""The job's end of the pipe that its events go through."""

from __future__ import annotations

import os
import threading
from typing import Any

from bench.jobs.events import make_event


class EventPipe:
    """Writes events to a descriptor, which it takes over.

    Whoever reads sees the job's end, since nothing that the job starts keeps the pipe open: programs do not inherit it,
    a fork of the job closes it, and a pickled copy has none. A pipe without a descriptor tells nothing.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._writing = threading.Lock()
        if descriptor is None:
            return
        os.set_inheritable(descriptor, False)
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

    def __reduce__(self) -> tuple[type[EventPipe], tuple[None]]:
        return EventPipe, (None,)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
