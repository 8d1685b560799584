"""Plug-ins named by path, importable in processes that a job starts.

A plug-in at ``/somewhere/mine.py`` is imported as ``bench.approaches.mine``, and its classes are sent to other
processes by that name. A worker of a ``DataLoader`` or of joblib that was not forked looks for such a module, and
an environment variable tells it where the module lies.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

VARIABLE = "BENCH_PLUGINS"


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
