"""Hashes of the contents of a data folder's images, read again only where a size or a modification time changed.

What was found is remembered in the cache, in ``contents/<folder>.json``: for each series the hash of its contents, and
the sign by which to know that they are still the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.files.regular import what_else
from bench.imaging.cache import READER_VERSION
from bench.imaging.faults import Fault
from bench.imaging.layout import Key, Layout
from bench.imaging.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from bench.dataset import Progress

SCHEMA_VERSION = 1
# A file that changed so recently may change again without a new time: file systems count in steps.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Contents:
    """The hashes of some or all series of a data folder.

    Attributes:
        series: (study id, series id) -> sha256 over the names and contents of its files.
        mended: what was remembered and is damaged.
    """

    series: Mapping[Key, str]
    mended: tuple[Fault, ...] = ()

    @property
    def hash(self) -> str:
        """The sha256 over all series: equal for a copy of the folder, another one where any file is another."""
        whole = hashlib.sha256(f"reader {READER_VERSION}\n".encode())
        for (study_id, series_id), digest in sorted(self.series.items()):
            whole.update(f"{study_id}/{series_id} {digest}\n".encode())
        return whole.hexdigest()


def read_contents(
    layout: Layout,
    cache: Path,
    *,
    jobs: int,
    progress: Progress,
    only: Collection[Key] | None = None,
    trust_times: bool = True,
    remember: bool = True,
) -> Contents:
    """The contents of the images, hashed where it is not known that they are as they were.

    Args:
        layout: the files.
        cache: where caches lie.
        jobs: how many files to read at once.
        progress: called after every series that is read.
        only: the series that are needed; all without it.
        trust_times: whether equal sizes and modification times say that contents are equal.
        remember: write what was found into the cache.
    """
    keys = sorted(layout.files if only is None else only)
    path = _path(layout.root, cache)
    found = _remembered(path)
    remembered, mended = ({}, (_damage(path),)) if found is None else (found, ())
    known = {key: remembered[key][1] for key in keys if _is_known(layout, remembered, key)} if trust_times else {}
    missing = [key for key in keys if key not in known]
    if not missing:
        return Contents(known, mended)
    try:
        for done, (key, (digest, whole)) in enumerate(_hashed(layout, missing, jobs), start=1):
            known[key] = digest
            if whole and time.time_ns() - layout.signs[key].newest_ns > _SETTLED_NS:
                remembered[key] = (layout.signs[key].hash, digest)
            else:
                remembered.pop(key, None)
            progress("hashing images", done, len(missing))
    finally:
        if remember:
            _remember(path, layout.root, remembered)
    return Contents(known, mended)


def _is_known(layout: Layout, remembered: Mapping[Key, tuple[str, str]], key: Key) -> bool:
    return key in remembered and remembered[key][0] == layout.signs[key].hash


def _hashed(layout: Layout, keys: Collection[Key], jobs: int) -> Iterator[tuple[Key, tuple[str, bool]]]:
    """Each series with what `_series_digest` says of it, as they come; files are read in threads."""
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        waiting = {pool.submit(_series_digest, layout.root, layout.files[key]): key for key in keys}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _series_digest(root: Path, files: Collection[str]) -> tuple[str, bool]:
    """The hash over names and contents, and whether every file could be read."""
    whole, readable = hashlib.sha256(), True
    for name in files:
        digest = _file_digest(root / name)
        readable &= digest is not None
        # The name within the series: the folder's own place does not count.
        whole.update(os.fsencode(os.path.basename(name)) + b"\0" + (digest or b"unreadable") + b"\n")
    return whole.hexdigest(), readable


def _file_digest(path: Path) -> bytes | None:
    """The sha256 of a file; None for what is no file, or cannot be read."""
    try:
        if what_else(path) is not None:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def _path(root: Path, cache: Path) -> Path:
    place = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()
    return cache / "contents" / f"{place[:16]}.json"


def _remembered(path: Path) -> dict[Key, tuple[str, str]] | None:
    """Sign and hash of every series that was read before; None where what is remembered is damaged."""
    if not os.path.lexists(path):
        return {}
    document = read_sealed(path)
    try:
        if document is None:
            return None
        if document["schema_version"] != SCHEMA_VERSION:
            return {}
        rows = [(name.split("/"), str(sign), str(digest)) for name, (sign, digest) in document["series"].items()]
        return {(int(study_id), int(series_id)): (sign, digest) for (study_id, series_id), sign, digest in rows}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _damage(path: Path) -> Fault:
    what = "was damaged in the cache: it does not match its checksum"
    return Fault(str(path), what, "images are hashed again", usable=True)


def _remember(path: Path, root: Path, found: Mapping[Key, tuple[str, str]]) -> None:
    series = {f"{study_id}/{series_id}": pair for (study_id, series_id), pair in sorted(found.items())}
    document = {"schema_version": SCHEMA_VERSION, "folder": ascii(str(root)), "series": series}
    with suppress(OSError):  # on a read-only disk nothing is remembered, and files are read each time
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            path.rmdir()  # nothing of ours; refused where something is in it
        write_sealed(path, json.dumps(document))
