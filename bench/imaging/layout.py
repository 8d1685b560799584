"""The image files of a folder in the competition's layout: listed and hashed, never opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench.files.regular import what_else
from bench.imaging.cache import READER_VERSION
from bench.imaging.faults import Fault

IMAGES = "train_images"


# Study id, series id.
Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """A series to be read: pure data, so that it can be handed to another process.

    Attributes:
        study_id: the study it belongs to.
        series_id: its number, which also names it in the cache.
        description: one of `bench.targets.SERIES_DESCRIPTIONS`.
        root: the data folder.
        files: its files, relative to `root`.
        contents: the hash of their contents; see `bench.imaging.contents`.
    """

    study_id: int
    series_id: int
    description: str
    root: str
    files: tuple[str, ...]
    contents: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """What tells quickly that the files of a series changed.

    Attributes:
        hash: over their names, sizes and modification times.
        newest_ns: the latest modification time, in ns since 1970.
    """

    hash: str
    newest_ns: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The image files of a data folder.

    Attributes:
        root: the data folder.
        files: (study id, series id) -> files relative to ``root``, sorted.
        signs: (study id, series id) -> the sign of its files.
        faults: files and folders that do not fit the layout.
        images_hash: over the paths and sizes of all files, and the first bytes of one file per study: what can be known
            without reading all of them.
    """

    root: Path
    files: Mapping[Key, tuple[str, ...]]
    signs: Mapping[Key, Sign]
    faults: tuple[Fault, ...]
    images_hash: str


def scan(folder: Path) -> Layout:
    """List ``train_images/<study>/<series>/<instance>.dcm`` without opening the files.

    Raises:
        DataError: if there is no such folder, or nothing in it.
    """
    images = folder / IMAGES
    if not images.is_dir():
        raise DataError(
            f"{folder} holds no folder {IMAGES}. Pass --data the folder that contains train.csv and "
            f"{IMAGES}/<study>/<series>/*.dcm."
        )
    scan = _Scan(folder)
    scan.run()
    if not scan.files:
        raise DataError(
            f"{images} holds no images: {IMAGES}/<study>/<series>/<instance>.dcm is expected. Was it unpacked in full?"
        )
    return Layout(folder, scan.files, scan.signs, tuple(scan.faults), scan.hash.hexdigest())


def is_directory_file(name: str) -> bool:
    """Whether a file is a medium's table of contents, DICOMDIR; some systems write its name in small letters."""
    return name.lower() in ("dicomdir", "dicomdir.dcm")


class _Scan:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[Key, tuple[str, ...]] = {}
        self.signs: dict[Key, Sign] = {}
        self.faults: list[Fault] = []
        self.hash = hashlib.sha256(f"reader {READER_VERSION}\n".encode())

    def run(self) -> None:
        """Walk study by study, series by series, in sorted order."""
        for study_id, study in self._numbered(IMAGES, "study"):
            first: str | None = None
            for series_id, series in self._numbered(study, "series"):
                entries = self._entries(series)
                names = [f"{series}/{entry.name}" for entry in entries]
                sizes = [_size_and_time(entry) for entry in entries]
                for name, (size, _) in zip(names, sizes, strict=True):
                    self.hash.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
                if names:
                    first = first or names[len(names) // 2]
                    self.files[study_id, series_id] = tuple(names)
                    self.signs[study_id, series_id] = _sign([entry.name for entry in entries], sizes)
                else:
                    self.faults.append(Fault(series, "holds no files", "this series is left out", study_id, series_id))
            if first:
                self.hash.update(_first_bytes(self.root / first))

    def _numbered(self, folder: str, kind: str) -> Iterator[tuple[int, str]]:
        for entry in self._entries(folder):
            path = f"{folder}/{entry.name}"
            if not entry.name.isascii() or not entry.name.isdigit() or len(entry.name) > 18:
                self.faults.append(Fault(path, f"is not named by a {kind} number", "it is ignored", usable=True))
            elif not _is_folder(entry):
                self.faults.append(Fault(path, f"is no folder of a {kind}", "it is ignored", usable=True))
            else:
                yield int(entry.name), path

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                counted = (
                    entry for entry in entries if not entry.name.startswith(".") and not is_directory_file(entry.name)
                )
                return sorted(counted, key=lambda entry: entry.name)
        except OSError as error:
            self.faults.append(Fault(folder, f"cannot be listed: {error.strerror}", "what lies in it is left out"))
            return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:  # a link in a circle, or to nothing: reading it will name the fault
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _sign(names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> Sign:
    whole = hashlib.sha256()
    for name, (size, time_ns) in zip(names, sizes, strict=True):
        whole.update(os.fsencode(name) + f"\0{size} {time_ns}\n".encode())
    return Sign(whole.hexdigest(), max(time_ns for _, time_ns in sizes))


def _first_bytes(path: Path) -> bytes:
    """The beginning of one file: two generated data sets with equal paths and file sizes must differ."""
    try:
        if what_else(path) is not None:
            return b"unreadable"
        with path.open("rb") as file:
            return hashlib.sha256(file.read(1 << 16)).digest()
    except OSError:
        return b"unreadable"
