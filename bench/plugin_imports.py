"""Plug-ins named by path, importable in processes that a job starts.

A plug-in at ``/somewhere/mine.py`` is imported as ``bench.approaches.mine``, and its classes are sent to other
processes by that name. A worker of a ``DataLoader`` or of joblib that was not forked looks for such a module, and
an environment variable tells it where the module lies.

What a plug-in prints while it is imported goes to standard error, on a terminal without control characters.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

VARIABLE = "BENCH_PLUGINS"
# How long to wait for what was printed last: a process that an import started may keep the pipe open for ever.
_LAST_WORDS_S = 1.0


def hand_on(modules: Mapping[str, Path]) -> None:
    """Let every process that this one starts import these modules: name -> file or folder."""
    os.environ[VARIABLE] = json.dumps({name: str(path) for name, path in modules.items()})


def install() -> None:
    """Import what a parent process has handed on. Called by ``import bench`` where there is such a thing."""
    sys.meta_path.append(_Finder(json.loads(os.environ[VARIABLE])))


class _Finder:
    """Finds modules by a table of names; asked last, so that it hides nothing."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._paths:
            return None
        file = Path(self._paths[name])
        if not file.is_dir():
            return importlib.util.spec_from_file_location(name, file)
        return importlib.util.spec_from_file_location(
            name, file / "__init__.py", submodule_search_locations=[str(file)]
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Send what is printed to standard error, also by C libraries, so that ``--json`` stays one document.

    Standard input is empty meanwhile: who asks a question at import gets EOFError, not an answer.
    """
    _flush()
    stdin = sys.stdin
    try:
        with _harmless_stderr(), _on_stderr(1), open(os.devnull, encoding="utf-8") as empty:
            sys.stdin = empty
            with redirect_stdout(sys.stderr):
                try:
                    yield
                finally:
                    _flush()
    finally:
        sys.stdin = stdin


@contextmanager
def _on_stderr(stream: int) -> Iterator[None]:
    """Have a descriptor be standard error for a while."""
    kept = None
    with suppress(OSError):  # a process without standard output
        kept = os.dup(stream)
        os.dup2(2, stream)
    try:
        yield
    finally:
        if kept is not None:
            os.dup2(kept, stream)
            os.close(kept)


@contextmanager
def _harmless_stderr() -> Iterator[None]:
    """Where standard error is a terminal: show control characters in what is written there as their codes."""
    if not _is_terminal(2):
        yield
        return
    terminal = os.dup(2)
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    forwarding = threading.Thread(target=_forward, args=(reading, terminal), daemon=True)
    forwarding.start()
    try:
        yield
    finally:
        os.dup2(terminal, 2)  # the last writing end, unless something that was started holds another
        forwarding.join(_LAST_WORDS_S)


def _forward(reading: int, terminal: int) -> None:
    with open(reading, encoding="utf-8", errors="backslashreplace", newline="") as source:
        for line in source:
            shown = "".join(one if one.isprintable() or one in "\n\t" else ascii(one).strip("'") for one in line)
            with suppress(OSError):
                os.write(terminal, shown.encode())
    os.close(terminal)


def _is_terminal(stream: int) -> bool:
    try:
        return os.isatty(stream)
    except OSError:
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # absent or closed
            stream.flush()  # type: ignore[union-attr]
