"""Checksums of every file in a folder, written last into the folder itself and checked when the folder is used.

sha256 reads about 1 GB per second and core (0.7 to 1.2 GB/s measured), so 15 GB of weights take 15 to 20 seconds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files.atomic import DamagedError, explained, read_json, sync, sync_folder, write_json

MANIFEST = "checksums.json"
SCHEMA_VERSION = 1


def write_manifest(folder: Path, *, ignore: Collection[str] = ()) -> None:
    """Write the size and sha256 of every file below a folder into its ``checksums.json``.

    All files are on the disk before the manifest is, whoever wrote them.

    Args:
        folder: the folder, complete.
        ignore: names directly in it that do not count.
    """
    files: dict[str, dict[str, Any]] = {}
    with explained(folder):
        for path in sorted(_files(folder, ignore)):
            files[_key(path, folder)] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            sync(path)
        for path in sorted({path.parent for path in _files(folder, ignore)} | {folder}):
            sync_folder(path)
    write_json(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, "files": files})


def check_manifest(folder: Path, *, ignore: Collection[str] = ()) -> list[str]:
    """What is wrong with a folder that `write_manifest` vouched for, in words; empty if every file is as it was.

    Missing and extra files and sizes are looked at first: contents are only read where all of these hold. A hidden file
    too many (such as a file browser leaves) is no fault.

    Raises:
        BenchError: there is no right to read a file, which says nothing about its contents.
    """
    if not folder.is_dir():
        return [f"the folder {folder.name} is missing"]
    expected = _read_manifest(folder)
    if isinstance(expected, str):
        return [expected]
    present = {_key(path, folder): path for path in _files(folder, ignore)}
    wrong = [f"{name} is missing" for name in expected if name not in present]
    wrong += [
        f"{name} is not among its checksums"
        for name, path in sorted(present.items())
        if name not in expected and not path.name.startswith(".")
    ]
    for name, (size, _) in expected.items():
        if name in present and (found := _size(present[name])) != size:
            wrong.append(f"{name} has {found:,} bytes instead of {size:,}")
    if wrong:
        return wrong
    return [text for name, (_, digest) in expected.items() if (text := _compare(name, present[name], digest))]


def file_sha256(path: Path) -> str:
    """The sha256 of a file's contents, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _compare(name: str, path: Path, digest: str) -> str | None:
    try:
        return None if file_sha256(path) == digest else f"{name} has changed (its sha256 differs)"
    except PermissionError as error:
        raise BenchError(f"no right to read {path}. Mend its rights.") from error
    except OSError as error:
        return f"{name} cannot be read ({error.strerror or error})"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process sets the folder aside this very moment
        return 0


def _read_manifest(folder: Path) -> dict[str, tuple[int, str]] | str:
    """Size and sha256 by name, or what is wrong with the manifest."""
    try:
        document = read_json(folder / MANIFEST)
    except DamagedError:
        return f"{MANIFEST} is damaged"
    if document is None:
        return f"{MANIFEST} is missing"
    try:
        if document["schema_version"] != SCHEMA_VERSION:
            return f"{MANIFEST} has schema version {document['schema_version']!r}, this is {SCHEMA_VERSION}"
        return {name: (int(known["bytes"]), str(known["sha256"])) for name, known in document["files"].items()}
    except (TypeError, KeyError, ValueError, AttributeError):
        return f"{MANIFEST} has the wrong shape"


def _files(folder: Path, ignore: Collection[str]) -> Iterator[Path]:
    for path in folder.rglob("*"):
        top = path.relative_to(folder).parts[0]
        if path.is_file() and top != MANIFEST and top not in ignore:
            yield path


def _key(path: Path, folder: Path) -> str:
    """A file's name in the manifest; bytes that are not UTF-8 are escaped, since JSON could not hold them."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
