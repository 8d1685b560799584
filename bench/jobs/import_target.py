"""The split that imported predictions join: one of the store, or one made from a label table alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.data.cohort import grades_of
from bench.data.folds import fold_csv, fold_hash, make_folds, read_folds
from bench.data.tables import read_labels
from bench.errors import DataError, UsageError
from bench.jobs.job import Job
from bench.jobs.result import DamagedFileError, SplitRecord
from bench.jobs.split import ABOUT, SplitFolder

LABELS_ALONE = "labels"  # the data set's name where there is nothing but a label table
DEFAULT_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What imported predictions are scored on.

    Attributes:
        folder: of the split in the store.
        record: what is known of data and split.
        split: ``study_id, fold``, ascending.
        labels: of the cohort, in the same order.
        contents: files to write first, by name; empty for a split that is there already.
    """

    folder: SplitFolder
    record: SplitRecord
    split: pd.DataFrame
    labels: pd.DataFrame
    contents: Mapping[str, str]

    @property
    def study_ids(self) -> NDArray[np.int64]:
        """(N,) ascending."""
        return self.split["study_id"].to_numpy(np.int64)

    @property
    def fold(self) -> NDArray[np.int64]:
        """(N,) the fold that holds each study out."""
        return self.split["fold"].to_numpy(np.int64)

    @property
    def grades(self) -> NDArray[np.int8]:
        """(N, 25) labels, -1 where there is none."""
        return grades_of(self.labels)

    def write(self) -> None:
        """Write the split, if it is new."""
        if self.contents:
            self.folder.write(self.contents, self.record)


def find_target(store: Path, *, labels: Path | None, folds: Path | None, split: Path | None) -> Target:
    """The split to join.

    Args:
        store: the folder of all results.
        labels: a label table; a split of the store with these labels is joined, else a new one is made.
        folds: the fold file of the predictions. A split of the store with these folds is joined, whatever their
            numbers; else a new one with these folds is made beside it.
        split: the folder of the split that the user named.

    Raises:
        UsageError: nothing to join, or several; a wrong fold file (also one with a study in two folds).
        DataError: a wrong label table.
    """
    table = None if labels is None else read_labels(_existing(labels))
    if folds is not None and not folds.is_file():
        raise UsageError(f"--folds {folds}: no such file. Name a CSV with the columns study_id,fold.")
    known, unreadable = ([_stored(SplitFolder(split))], []) if split is not None else _all_stored(store)
    candidates = [each for each in known if table is None or _has_labels(each, table)]
    if not candidates:
        if table is None or labels is None or split is not None:
            raise UsageError(_nothing_to_join(store, split, labels, unreadable))
        return _from_labels(store, table, labels, folds)
    if folds is not None:
        of_these = [each for each in candidates if _same_folds(each, folds)]
        if not of_these:
            _one_of(candidates, "data set", {each.record.data_hash for each in candidates})
            return _with_folds(store, candidates[0], folds)
        candidates = of_these
    _one_of(candidates, "split", {str(each.folder.path) for each in candidates})
    return candidates[0]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"--labels {path}: no such file. Name a train.csv.")
    return path


def _all_stored(store: Path) -> tuple[list[Target], list[str]]:
    """The splits of a store, and why others cannot be read."""
    found, unreadable = [], []
    for about in sorted(store.glob(f"*/*/{ABOUT}")):
        try:
            found.append(_stored(SplitFolder(about.parent)))
        except (DataError, DamagedFileError) as error:
            unreadable.append(str(error))
    return found, unreadable


def _stored(folder: SplitFolder) -> Target:
    fold, record = folder.read_folds(), folder.record()
    labels = folder.read_labels(fold.index.tolist())
    if not record.data_hash:
        raise DataError(f"{folder.about} does not tell which data it is of. {SplitRecord.cure}")
    split = fold.reset_index()
    return Target(folder, record.model_copy(update={"fold_hash": fold_hash(split)}), split, labels, {})


def _has_labels(target: Target, table: pd.DataFrame) -> bool:
    """Whether a split has the studies and labels of a table, but for those that its data set leaves out."""
    ids = set(target.study_ids.tolist())
    if ids - set(table.index) or set(table.index) - ids - set(target.record.excluded):
        return False
    return bool((grades_of(table.loc[target.study_ids]) == target.grades).all())


def _own_folds(path: Path, study_ids: Collection[int], left_out: Collection[int] = ()) -> pd.DataFrame:
    return read_folds(path, [int(study) for study in study_ids], left_out)


def _same_folds(target: Target, path: Path) -> bool:
    """Whether a fold file splits the studies as a stored split does, whatever the numbers of the folds."""
    own = _own_folds(path, target.study_ids, target.record.excluded)["fold"].to_numpy()
    pairs = set(zip(own.tolist(), target.fold.tolist(), strict=True))
    return len(pairs) == len(set(own.tolist())) == len(set(target.fold.tolist()))


def _from_labels(store: Path, table: pd.DataFrame, labels: Path, folds: Path | None) -> Target:
    """A split of a label table alone; without a fold file it is the suite's own."""
    ids = table.index.to_numpy(np.int64)
    grades = grades_of(table)
    if not (grades >= 0).any():
        raise DataError(f"{labels}: no study has a label, so nothing can be scored. Give a table with labels.")
    split = make_folds(ids, grades, DEFAULT_FOLDS) if folds is None else _own_folds(folds, ids.tolist())
    text = table.to_csv(lineterminator="\n")
    record = SplitRecord(
        dataset=LABELS_ALONE,
        caveat=None,
        folder=str(labels.resolve().parent),
        data_hash=hashlib.sha256(f"labels alone\n{text}".encode()).hexdigest(),
        fold_hash=fold_hash(split),
        studies=len(ids),
    )
    folder = _folder(store, record, split)
    return Target(folder, record, split, table, {folder.folds.name: fold_csv(split), folder.labels.name: text})


def _with_folds(store: Path, other: Target, folds: Path) -> Target:
    """The data of a stored split, split by a fold file."""
    split = _own_folds(folds, other.study_ids, other.record.excluded)
    record = other.record.model_copy(update={"fold_hash": fold_hash(split), "files": {}})
    folder = _folder(store, record, split)
    contents = {folder.folds.name: fold_csv(split)}
    for path in (other.folder.labels, other.folder.points, other.folder.floor):
        if path.is_file():
            contents[path.name] = other.folder.checked(path.name).read_bytes().decode("utf-8")
    return Target(folder, record, split, other.labels, contents)


def _folder(store: Path, record: SplitRecord, split: pd.DataFrame) -> SplitFolder:
    names = Job("", "", "{}", record.dataset, "", record.data_hash, int(split["fold"].max()) + 1, record.fold_hash, 0)
    return SplitFolder(names.split_folder_in(store))


def _nothing_to_join(store: Path, split: Path | None, labels: Path | None, unreadable: list[str]) -> str:
    if split is not None:
        return f"--split {split}: it has other labels than {labels}. Leave out --labels or --split."
    return (
        f"the store {store} holds no split to join. Pass the label table with --labels train.csv, or run an approach "
        "on the data set first." + "".join(f"\nNot readable: {why}" for why in unreadable)
    )


def _one_of(candidates: list[Target], what: str, different: Collection[str]) -> None:
    if len(different) > 1:
        there = "".join(f"\n  {each.folder.path} ({each.record.studies} studies)" for each in candidates)
        raise UsageError(f"the store holds more than one {what} to join. Name one with --split:{there}")
