"""The row order of a given submission file, such as the competition's ``sample_submission.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.metric.tables import SUBMISSION_FORMAT, as_ids, as_text, read_csv, refuse, refuse_duplicates, require_columns
from bench.targets import TARGET_INDEX, TARGET_NAMES

_ROW_ID = r"^([0-9]{1,18})_(.+)$"


@dataclass(frozen=True, slots=True)
class RowOrder:
    """Which rows a submission has, and in which order.

    Attributes:
        rows: row ids.
        studies: their studies, each once, in order of appearance.
    """

    rows: tuple[str, ...]
    studies: tuple[int, ...]


def read_row_order(path: Path) -> RowOrder:
    """The rows of a submission file; its probabilities are not read.

    Raises:
        UsageError: there is no such file.
        DataError: it has no column row_id, a row twice, or a row that names no study and target.
    """
    table = read_csv(path)
    require_columns(str(path), table, ("row_id",), f"Give a file with the columns {SUBMISSION_FORMAT}.")
    names = as_ids(as_text(table["row_id"]))
    parts = names.str.extract(_ROW_ID)
    cure = f"Write study, underscore and one of the 25 target names, such as 44036939_{TARGET_NAMES[0]}."
    refuse(str(path), ~parts[1].isin(TARGET_INDEX).to_numpy(bool), names, "row_id names no study and target", cure)
    refuse_duplicates(str(path), names)
    return RowOrder(tuple(names), tuple(dict.fromkeys(int(study) for study in parts[0])))
