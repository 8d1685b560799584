from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import DataError, UsageError
from bench.jobs.prediction.row_order import read_row_order


def sample(folder: Path, *rows: str, head: str = "row_id,normal_mild,moderate,severe") -> Path:
    path = folder / "sample_submission.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_the_order_of_rows_and_studies_is_that_of_the_file(tmp_path: Path) -> None:
    rows = [
        "9_spinal_canal_stenosis_l2_l3,.3,.3,.4",
        "9_spinal_canal_stenosis_l1_l2,1,0,0",
        "4_spinal_canal_stenosis_l1_l2,,,",
    ]
    order = read_row_order(sample(tmp_path, *rows))
    assert order.rows == tuple(row.partition(",")[0] for row in rows)
    assert order.studies == (9, 4)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (["9_spinal_canal_stenosis_l2_l3,1,0,0"] * 2, "duplicate row_id"),
        (["9_knee_l2_l3,1,0,0"], "names no study and target"),
        (["spinal_canal_stenosis_l2_l3,1,0,0"], "names no study and target"),
    ],
)
def test_rows_that_cannot_be_predicted_are_refused(tmp_path: Path, rows: list[str], why: str) -> None:
    with pytest.raises(DataError, match=why):
        read_row_order(sample(tmp_path, *rows))


def test_a_file_without_row_ids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'row_id' is missing"):
        read_row_order(sample(tmp_path, "1,2", head="a,b"))
    with pytest.raises(UsageError, match="no such file"):
        read_row_order(tmp_path / "none.csv")
