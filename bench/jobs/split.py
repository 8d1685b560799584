"""The folder of a split: what all its runs are scored on, written with checksums and checked when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.errors import DataError
from bench.files.atomic import write_text
from bench.files.regular import read_bytes
from bench.jobs.result import DamagedFileError, SplitRecord
from bench.targets import POINT_COLUMNS, SEVERITIES, TARGET_NAMES

FOLDS, LABELS, POINTS, ABOUT = "folds.csv", "labels.csv", "points.csv", "dataset.json"
FLOOR = "floor_predictions.csv"  # what nobody can be expected to beat
STAGES = "stages"
TABLES = (FOLDS, LABELS, POINTS, FLOOR)
EXACT = {"x": float, "y": float}  # pandas' own parser may be off in the last digit
CURE = "Run the same `bench run` again: it is written anew."


@dataclass(frozen=True, slots=True)
class SplitFolder:
    """Where the runs on one data set and split lie, beside what they are scored on."""

    path: Path

    @property
    def folds(self) -> Path:
        """``study_id,fold``."""
        return self.path / FOLDS

    @property
    def labels(self) -> Path:
        """The labels of the cohort, in the format of ``train.csv``."""
        return self.path / LABELS

    @property
    def points(self) -> Path:
        """The points of the cohort, in the format of ``train_label_coordinates.csv``."""
        return self.path / POINTS

    @property
    def floor(self) -> Path:
        """Predictions that nobody can be expected to beat, where they are known."""
        return self.path / FLOOR

    @property
    def about(self) -> Path:
        """What is known of data and split: `SplitRecord`."""
        return self.path / ABOUT

    @property
    def stages(self) -> Path:
        """Trained stages that jobs share."""
        return self.path / STAGES

    def cohort_index(self, data: Path | str, cache: Path | str) -> Path:
        """What a job opens in place of the data set (`bench.data.cohort_index`): one per data folder and cache."""
        key = hashlib.sha256(f"{data}\0{cache}".encode(errors="surrogateescape")).hexdigest()[:8]
        return self.path / f"cohort-{key}.json"

    def cohort_indexes(self) -> list[Path]:
        """Every index that a run has left here, the newest first."""
        return sorted(self.path.glob("cohort-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)

    def write(self, contents: Mapping[str, str], record: SplitRecord) -> list[str]:
        """Write what the scores stand on, and last its checksums.

        Args:
            contents: text by file name, of those of `TABLES` that there are.
            record: what else is known; ``files`` is filled in here.

        Returns:
            What was there and had other contents, in words; it is written anew.
        """
        changed = []
        for name in TABLES:
            path, text = self.path / name, contents.get(name)
            there = path.read_bytes() if path.is_file() else None
            if text is None or there == text.encode():
                continue
            if there is not None:
                changed.append(f"{path} was not as `bench run` writes it")
            write_text(path, text)
        record = record.model_copy(update={"files": {name: _sha256(text) for name, text in contents.items()}})
        try:
            there_is = SplitRecord.read(self.about)
        except DamagedFileError as error:
            there_is = None
            changed.append(str(error).removesuffix(f" {SplitRecord.cure}").rstrip("."))
        if there_is is None or read_bytes(self.about) != record.text().encode():
            if there_is is not None and there_is.files:  # an earlier version wrote none
                changed.append(f"{self.about} said other things")
            record.write(self.about)
        return changed

    def record(self) -> SplitRecord:
        """What is known of data and split; all defaults where nothing is. Raises DamagedFileError."""
        return SplitRecord.read(self.about) or SplitRecord()

    def read_folds(self) -> pd.Series:
        """Fold by study id, in ascending order of the ids. Raises DataError if the file is not what was written."""
        table = self._read(FOLDS, ("study_id", "fold"))
        numbers = table[["study_id", "fold"]].apply(pd.to_numeric, errors="coerce")
        if table.empty or numbers.isna().to_numpy().any():
            raise DataError(f"{self.folds} has no rows, or rows that are no numbers. {CURE}")
        return numbers.astype(np.int64).sort_values("study_id").set_index("study_id")["fold"]

    def read_labels(self, study_ids: Sequence[int]) -> pd.DataFrame:
        """The labels of these studies, in their order. Raises DataError if the file lacks one or was changed."""
        table = self._read(LABELS, ("study_id", *TARGET_NAMES)).set_index("study_id")[list(TARGET_NAMES)]
        missing = sorted({int(study) for study in study_ids} - set(table.index))
        if missing:
            raise DataError(f"{self.labels}: study {missing[0]} is missing ({len(missing)} such). {CURE}")
        table = table.loc[list(study_ids)]
        strange = (table.notna() & ~table.isin(SEVERITIES)).to_numpy()
        if strange.any():
            raise DataError(f"{self.labels} holds {table.to_numpy()[strange][0]!r}, which is no severity. {CURE}")
        return table

    def read_points(self) -> pd.DataFrame | None:
        """The points of the cohort to the last digit; None where there are none. Raises DataError like the others."""
        return self._read(POINTS, POINT_COLUMNS) if self.points.is_file() else None

    def checked(self, name: str) -> Path:
        """The path of a file whose checksum holds. Raises DataError, with the cure, if it is gone or was changed."""
        path, known = self.path / name, self.record().files.get(name)
        if not path.is_file():
            raise DataError(f"{path} is gone, so nothing there can be scored. {CURE}")
        if known is not None and _sha256(read_bytes(path)) != known:
            raise DataError(f"{path} was changed since `bench run` wrote it, so scores would not hold. {CURE}")
        return path

    def _read(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        path = self.checked(name)
        try:
            table = pd.read_csv(path, converters=EXACT)
        except (ValueError, OSError) as error:  # pandas' own errors and UnicodeDecodeError are ValueErrors
            raise DataError(f"{path} is no readable CSV table ({error}). {CURE}") from None
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise DataError(f"{path} lacks the column {missing[0]!r} ({len(missing)} missing). {CURE}")
        return table


def _sha256(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
