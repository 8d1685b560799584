"""Studies to be predicted: in the competition's layout, or in any folder of MR files. No labels, no points."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.tables import read_series
from bench.errors import DataError, UsageError
from bench.imaging.discovery import FoundSeries, discover
from bench.imaging.faults import Fault
from bench.imaging.layout import SeriesFiles
from bench.targets import SERIES_DESCRIPTIONS

if TYPE_CHECKING:
    from bench.dataset import Progress

# Folders of images of the competition, each with its table of series. Where both are there, the unlabelled one counts.
LAYOUTS = {"test_images": "test_series_descriptions.csv", "train_images": "train_series_descriptions.csv"}

_EMPTY = "{} holds no folder of a study. Expected: {}/<study>/<series>/<instance>.dcm."


@dataclass(frozen=True, slots=True)
class NewStudy:
    """One study to be predicted.

    Attributes:
        study_id: its number: the competition's, or one made from its StudyInstanceUID.
        name: what its files call it.
        series: its series of kinds that approaches use; none where there is nothing to read.
        notes: what was assumed of it, or left out.
    """

    study_id: int
    name: str
    series: tuple[SeriesFiles, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The studies of a folder.

    Attributes:
        studies: in ascending order of their numbers.
        layout: how they were told apart, in words.
        faults: files and folders that belong to no study.
    """

    studies: tuple[NewStudy, ...]
    layout: str
    faults: tuple[Fault, ...]


def find_studies(folder: Path, *, jobs: int, progress: Progress) -> Found:
    """The studies in a folder: in the competition's layout if it has one of `LAYOUTS`, else told apart by their files.

    Args:
        folder: ``--data``; a folder of images of the competition may be named itself.
        jobs: how many processes may read headers.
        progress: called as work goes on.

    Raises:
        UsageError: there is no such folder.
        DataError: no MR image is in it, or its table of series is wrong.
    """
    if not folder.is_dir():
        what = "that is a file. Name the folder that holds it" if folder.exists() else "there is no such folder"
        raise UsageError(f"--data {folder}: {what}.")
    images = competition_images(folder)
    if images is None:
        return _own(folder, jobs, progress)
    for end in ("", ".gz"):
        table = images.parent / f"{LAYOUTS[images.name]}{end}"
        if table.is_file():
            return _by_table(images, table)
    return _by_folders(images, jobs, progress)


def competition_images(folder: Path) -> Path | None:
    """The folder of images in the competition's layout, or None if there is none."""
    named = folder.resolve()
    if named.name in LAYOUTS:
        return named
    return next((named / name for name in LAYOUTS if (named / name).is_dir()), None)


def _by_table(images: Path, path: Path) -> Found:
    """Studies and series by the names of their folders, kinds by the table."""
    table = read_series(path)
    kinds = dict(zip(table["series_id"].tolist(), table["series_description"].tolist(), strict=True))
    studies: list[_Collected] = []
    faults: list[Fault] = []
    for study_id, study in _numbered(images, faults):
        collected = _Collected(study_id, study.name)
        for series_id, series in _numbered(study, faults):
            files = tuple(sorted(f"{study.name}/{series.name}/{entry.name}" for entry in _files(series)))
            if series_id not in kinds:
                collected.notes.append(f"series {series_id} is not used: {path.name} does not list it")
            elif not files:
                collected.notes.append(f"series {series_id} is not used: its folder holds no files")
            else:
                collected.series.append(SeriesFiles(study_id, series_id, kinds[series_id], str(images), files))
        studies.append(collected)
    if not studies:
        raise DataError(_EMPTY.format(images, images.name))
    return Found(_sorted(studies), f"the competition's layout, kinds of series by {path.name}", tuple(faults))


def _by_folders(images: Path, jobs: int, progress: Progress) -> Found:
    """Studies by the names of their folders, series and their kinds by the files."""
    faults: list[Fault] = []
    known = {study.name: study_id for study_id, study in _numbered(images, faults)}
    found, more = discover(images, jobs=jobs, progress=progress)
    studies = {name: _Collected(number, name) for name, number in known.items()}
    for one in found:
        folder, *inner = Path(one.files.files[0]).parts
        if folder in studies:
            number = int(inner[0]) if len(inner) > 1 and _is_number(inner[0]) else one.files.series_id
            studies[folder].add(one, number)
    strays = [_assigned(fault, studies) for fault in more]
    if not studies:
        raise DataError(_EMPTY.format(images, images.name))
    faults += [fault for fault in strays if fault is not None]
    return Found(_sorted(studies.values()), "the competition's folders, kinds of series by their files", tuple(faults))


def _own(folder: Path, jobs: int, progress: Progress) -> Found:
    """Studies by StudyInstanceUID and PatientID, whatever the folders."""
    found, faults = discover(folder, jobs=jobs, progress=progress)
    if not found:
        first = f" ({len(faults)} files cannot be used; {faults[0].path} {faults[0].what})" if faults else ""
        raise DataError(f"--data {folder} holds no MR image{first}. Name a folder of DICOM files.")
    studies: dict[str, _Collected] = {}
    numbers = Counter(number for _, number in {(one.study, one.files.study_id) for one in found})
    for one in found:
        number = one.files.study_id if numbers[one.files.study_id] == 1 else hashed(one.study)
        studies.setdefault(one.study, _Collected(number, one.study)).add(one, one.files.series_id)
    if not any(one.series for one in studies.values()):
        reasons = Counter(one.why for one in found).most_common(3)
        raise DataError(
            f"--data {folder} holds no {', '.join(SERIES_DESCRIPTIONS[:-1])} or {SERIES_DESCRIPTIONS[-1]} series: "
            f"{len(found)} series are of other kinds ({'; '.join(why for why, _ in reasons)}). Kinds are derived from "
            "orientation, echo times and names: `bench data check` lists what each series is taken for."
        )
    return Found(_sorted(studies.values()), "any folder of MR files, studies by StudyInstanceUID", faults)


@dataclass(slots=True)
class _Collected:
    """A study while its series are gathered."""

    study_id: int
    name: str
    series: list[SeriesFiles] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: FoundSeries, series_id: int) -> None:
        """Take a series in if it is of a kind that approaches use; note it in either case."""
        where = str(Path(found.files.files[0]).parent)
        if found.files.description:
            self.series.append(replace(found.files, study_id=self.study_id, series_id=series_id))
            self.notes.append(f"series {series_id} in {where}: taken as {found.files.description} ({found.why})")
        else:
            self.notes.append(f"series in {where} is not used: {found.why}")


def _sorted(collected: Iterable[_Collected]) -> tuple[NewStudy, ...]:
    """The studies by number. Series numbers become unique over all of them, since they name files of pixels."""
    studies = sorted(collected, key=lambda one: one.study_id)
    uses = Counter(series.series_id for study in studies for series in study.series)
    found = []
    for study in studies:
        series = tuple(
            one if uses[one.series_id] == 1 else replace(one, series_id=hashed(f"{study.name}/{one.files[0]}"))
            for one in study.series
        )
        missing = [kind for kind in SERIES_DESCRIPTIONS if kind not in {one.description for one in series}]
        notes = [f"no {kind} series" for kind in missing]
        found.append(NewStudy(study.study_id, study.name, series, (*study.notes, *notes)))
    return tuple(found)


def hashed(identifier: str) -> int:
    """A number made from an identifier, the same wherever it is made."""
    return int(hashlib.sha256(identifier.encode()).hexdigest()[:12], 16)


def _assigned(fault: Fault, studies: dict[str, _Collected]) -> Fault | None:
    """A fault that is no study's; one of a study goes into its notes."""
    folder = Path(fault.path).parts[0]
    if folder not in studies:
        return fault
    studies[folder].notes.append(f"{fault.path} {fault.what}: {fault.effect}")
    return None


def _numbered(folder: Path, faults: list[Fault]) -> Iterator[tuple[int, Path]]:
    """The folders that are named by a number; what else lies there is a fault."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and _is_number(path.name):
            yield int(path.name), path
        elif not path.name.startswith("."):
            faults.append(Fault(f"{folder.name}/{path.name}", "is no folder named by a number", "it is ignored"))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()]


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 18
