"""Notes on studies, alike ones together."""

from pathlib import Path

import pandas as pd
import pytest

from bench.comparison import compare
from bench.comparison.analysis.notes import alike, note_groups
from bench.jobs.folder import JobFolder
from bench.jobs.store import stored_jobs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("series 12 lacks 3 slices", "series # lacks # slices"),
        ("spinal_canal_stenosis_l1_l2 moved by 4.5 mm", "TARGET moved by # mm"),
        ("no T1 at L4/L5", "no T1 at L4/L5"),
        ("shift of -3 px", "shift of # px"),
    ],
)
def test_targets_and_numbers_do_not_count(text: str, expected: str) -> None:
    assert alike(text) == expected


def write(
    folder: Path, rows: list[tuple[int, str, str]], columns: tuple[str, ...] = ("study_id", "note", "by")
) -> None:
    pd.DataFrame(rows, columns=list(columns)).to_csv(folder / "notes.csv", index=False)
    JobFolder(folder).finish()


def test_groups_are_counted_once_per_study_and_note(make_store) -> None:
    store = make_store({"mil": 2.0}, seeds=(0, 1))
    for seed in (0, 1):
        fold = next(store.rglob(f"seed{seed}/fold0"))
        write(
            fold,
            [
                (1, "2 slices missing", "mil"),
                (1, "3 slices missing", "mil"),
                (2, "4 slices missing", "mil"),
                (3, "no T1", "mil"),
            ],
        )
    write(next(store.rglob("seed0/fold1")), [(9, "x")], ("study_id", "remark"))
    groups, unreadable = note_groups(compare(stored_jobs(store), resamples=100).approaches)
    assert [(group.text, group.count, group.studies) for group in groups] == [
        ("# slices missing", 3, 2),
        ("no T1", 1, 1),
    ]
    assert len(unreadable) == 1
    assert "notes.csv cannot be read" in unreadable[0]
