"""Studies in a folder without tables: any tree of DICOM files, grouped by their own identifiers."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.tag import BaseTag

from bench.errors import BenchError
from bench.imaging.build import IMAGE_SUFFIXES, named_as_image
from bench.imaging.dicom import tags
from bench.imaging.dicom.header import Header, header_of
from bench.imaging.dicom.parsing import open_file
from bench.imaging.faults import Fault, NoImage, NotDicom, UnreadableImage
from bench.imaging.kinds import Kind, kind_of
from bench.imaging.layout import SeriesFiles, is_directory_file
from bench.imaging.workers import Failure, run_isolated

if TYPE_CHECKING:
    from bench.dataset import Progress

_FILES_A_TASK = 64
_PATIENT_ID, _MODALITY = BaseTag(0x00100020), BaseTag(0x00080060)


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series of a folder without tables.

    Attributes:
        files: its files and numbers; ``description`` is "" for a kind that approaches do not use.
        why: the reason for its kind.
        study: what tells its study from others: StudyInstanceUID, else PatientID, else the folder of its files.
    """

    files: SeriesFiles
    why: str
    study: str


@dataclass(frozen=True, slots=True)
class FileHeader:
    """The header of one file, and whose images it holds.

    Attributes:
        header: for the reader.
        patient: PatientID, or "".
        modality: Modality, such as ``MR``, or "".
    """

    header: Header
    patient: str
    modality: str


def discover(root: Path, *, jobs: int, progress: Progress) -> tuple[tuple[FoundSeries, ...], tuple[Fault, ...]]:
    """Find every series below ``root``, by reading the header of every file.

    Returns:
        The series in the order of their first files, and the files that could not be read.
    """
    faults: list[Fault] = []
    paths = list(_files(root, faults))
    chunks = [tuple(paths[start : start + _FILES_A_TASK]) for start in range(0, len(paths), _FILES_A_TASK)]
    headers: dict[str, FileHeader] = {}
    tasks = [(str(root), chunk) for chunk in chunks]
    done = 0
    for index, outcome in run_isolated(read_headers, tasks, jobs=jobs, limit_s=lambda _: 60.0 + 2 * _FILES_A_TASK):
        if isinstance(outcome, BenchError):
            raise outcome
        if isinstance(outcome, Failure):
            faults += [Fault(path, outcome.what, "it is left out") for path in chunks[index]]
        else:
            headers.update(outcome[0])
            faults += outcome[1]
        done += len(chunks[index])
        progress("reading headers", done, len(paths))
    return tuple(_grouped(root, {path: headers[path] for path in paths if path in headers})), tuple(faults)


def read_headers(root: str, paths: tuple[str, ...]) -> tuple[dict[str, FileHeader], list[Fault]]:
    """The headers of some files by path, and the faults of the others."""
    headers, faults = {}, []
    for path in paths:
        try:
            ds = open_file(Path(root) / path, pixels=False)
            headers[path] = FileHeader(header_of(ds), tags.text(ds, _PATIENT_ID), tags.text(ds, _MODALITY))
        except NoImage:
            continue
        except UnreadableImage as error:
            stray = isinstance(error, NotDicom) and not named_as_image(path, error, IMAGE_SUFFIXES[:-1])
            effect = "it is ignored" if stray else "this slice is left out"
            faults.append(Fault(path, str(error), effect, usable=stray))
    return headers, faults


def _files(root: Path, faults: list[Fault]) -> Iterator[str]:
    """Every file below ``root``, relative to it; a folder that a link leads back to is entered once."""
    seen: set[tuple[int, int]] = set()

    def refused(error: OSError) -> None:
        path = os.path.relpath(error.filename or root, root)
        faults.append(Fault(path, f"cannot be listed: {error.strerror}", "what lies in it is left out"))

    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refused):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not is_directory_file(name):
                yield os.path.relpath(os.path.join(folder, name), root)


def _grouped(root: Path, headers: dict[str, FileHeader]) -> Iterator[FoundSeries]:
    """Series by StudyInstanceUID and PatientID: an anonymiser may have given all patients the same of either."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for path, one in headers.items():
        parent, header = str(Path(path).parent), one.header
        groups[header.study_uid or one.patient or parent, one.patient, header.series_uid or parent].append(path)
    patients: dict[str, set[str]] = defaultdict(set)
    for study, patient, _ in groups:
        patients[study].add(patient)
    for (study, patient, series), paths in groups.items():
        kind = _kind([headers[path] for path in paths])
        name = study if len(patients[study]) == 1 else f"{study} of {patient or 'no patient'}"
        numbers = _number(name), _number(series.removeprefix(f"{study}."))
        yield FoundSeries(SeriesFiles(*numbers, kind.description, str(root), tuple(paths)), kind.why, name)


def _kind(files: list[FileHeader]) -> Kind:
    other = sorted({one.modality for one in files} - {"", "MR"})
    if other:
        return Kind("", f"no MR: modality {', '.join(other)}")
    return kind_of([one.header for one in files])


def _number(identifier: str) -> int:
    """The number that an identifier is, or one made from it."""
    if identifier.isascii() and identifier.isdigit() and len(identifier) <= 15:
        return int(identifier)
    return int(hashlib.sha256(identifier.encode()).hexdigest()[:12], 16)
