"""The files beside a plug-in's code that its predictions may depend on: settings, weights, atlases."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.imports import once_per_version, parse
from bench.plugin_files import walk

# What people read, and what a run leaves behind: counts only where the code names such a file or its suffix.
FOR_PEOPLE = (".html", ".ipynb", ".log", ".md", ".pdf", ".rst")
_LONGEST_PATH = 1024
_DEEPEST = 4
_SYSTEM = ("/dev/", "/proc/", "/sys/")  # no files on a disk: their contents differ at every look


def data_files(sources: Sequence[Path], folder: Path | None) -> list[Path]:
    """The data files of a plug-in, sorted.

    Args:
        sources: its Python files.
        folder: its folder, all of whose files count. Presets and ablations do not, since what they say is a job's
            configuration, nor does what is meant for people (`FOR_PEOPLE`); but both do where a string in the code
            holds their suffix. None for a single file: then those files beside it count that a string in its code names
            (``"settings.json"``, ``"weights" / "net.safetensors"``).
    """
    if folder is None:
        return sorted({path for source in sources for path in _named_beside(source)} - set(sources))
    presets = {*folder.glob("*.toml"), *folder.glob("ablations/*.toml")}
    found = [path for path in walk(folder) if path.suffix not in (".py", ".pyi")]
    optional = {path for path in found if path in presets or path.suffix.lower() in FOR_PEOPLE}
    named = {
        suffix for suffix in {path.suffix for path in optional} if any(_names(source, suffix) for source in sources)
    }
    return [path for path in found if path not in optional or path.suffix in named]


def files_in_config(config: Mapping[str, Any]) -> dict[str, Path]:
    """The existing files that values of a configuration name, such as local weights: each as written, and its path."""
    found = {}
    for value in sorted(set(_strings_in(config))):
        path = _as_path(value)
        if path is not None and path.is_file():
            found[value] = path
    return found


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Path):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings_in(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _strings_in(inner)


def _as_path(value: str) -> Path | None:
    """The path that a string may be; None where it cannot be one."""
    if not value or len(value) > _LONGEST_PATH or "\0" in value or "\n" in value or value.startswith(_SYSTEM):
        return None
    try:
        path = Path(value).expanduser()
        path.exists()
    except (OSError, RuntimeError):  # a component too long; no such user
        return None
    return path


def _named_beside(source: Path) -> set[Path]:
    """Files that strings in a module name, alone or one after the other as ``folder / "inner" / "file"``."""
    paths = [
        path for string in _strings(source) if (path := _as_path(string)) is not None and string not in (".", "..")
    ]
    files: set[Path] = set()
    folders = {source.parent}
    for _ in range(_DEEPEST):
        candidates = {folder / path for folder in folders for path in paths}
        files |= {path for path in candidates if path.is_file()}
        folders = {path for path in candidates if path.is_dir() and path.is_relative_to(source.parent)}
    return files


def _names(source: Path, suffix: str) -> bool:
    """Whether a string in a module's code names files of a suffix."""
    return suffix.encode() in source.read_bytes() and any(suffix in string for string in _strings(source))


def _strings(source: Path) -> set[str]:
    """The strings in a module's code, docstrings aside."""
    return once_per_version(source, "strings", lambda: _read_strings(source))


def _read_strings(source: Path) -> set[str]:
    try:
        tree = parse(source.read_bytes())
    except (SyntaxError, ValueError, RecursionError):  # importing it says so
        return set()
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    }
