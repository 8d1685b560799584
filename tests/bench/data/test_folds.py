from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.cohort import grades_of
from bench.data.folds import fold_csv, fold_hash, make_folds, read_folds
from bench.errors import UsageError


def random_grades(studies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    grades = rng.choice([0, 1, 2, -1], p=[0.75, 0.15, 0.08, 0.02], size=(studies, 25)).astype(np.int8)
    return rng.permutation(np.arange(1000, 1000 + studies)), grades


@given(studies=st.integers(2, 80), folds=st.integers(2, 10), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_every_study_is_held_out_once_and_folds_are_even(studies: int, folds: int, seed: int) -> None:
    ids, grades = random_grades(studies, seed)
    if folds > studies:
        with pytest.raises(UsageError, match=f"--folds {folds}"):
            make_folds(ids, grades, folds)
        return
    split = make_folds(ids, grades, folds)
    assert sorted(ids) == split["study_id"].tolist()
    counts = split["fold"].value_counts()
    assert len(counts) == folds
    assert counts.max() - counts.min() <= 1


def test_split_does_not_depend_on_the_order_of_studies() -> None:
    ids, grades = random_grades(50, 1)
    order = np.random.default_rng(2).permutation(50)
    assert fold_hash(make_folds(ids, grades, 5)) == fold_hash(make_folds(ids[order], grades[order], 5))


def test_rare_severities_are_spread_better_than_by_chance() -> None:
    ids, grades = random_grades(200, 3)
    split = make_folds(ids, grades, 5).set_index("study_id")["fold"].loc[ids].to_numpy()
    chance = np.random.default_rng(0).permutation(np.arange(200) % 5)

    def unevenness(fold: np.ndarray) -> float:
        counts = np.array([(grades[fold == k] == 2).sum(axis=0) for k in range(5)])  # (5, 25)
        return float(counts.std(axis=0).mean())

    assert unevenness(split) < 0.7 * unevenness(chance)


def test_real_labels_give_equal_shares(real_data: Path) -> None:
    table = pd.read_csv(real_data / "rsna2024" / "train.csv").set_index("study_id")
    grades = grades_of(table)
    split = make_folds(table.index.to_numpy(), grades, 5).set_index("study_id")["fold"].loc[table.index].to_numpy()
    severe = np.array([(grades[split == fold] == 2).sum(axis=0) for fold in range(5)])
    assert (severe.max(axis=0) - severe.min(axis=0)).max() <= 3


@pytest.mark.parametrize("folds", [0, 1, 11])
def test_impossible_number_of_folds(folds: int) -> None:
    ids, grades = random_grades(10, 0)
    with pytest.raises(UsageError, match="from 2 to 10"):
        make_folds(ids, grades, folds)


def test_own_split_is_read_back(tmp_path: Path) -> None:
    ids, grades = random_grades(12, 0)
    split = make_folds(ids, grades, 3)
    path = tmp_path / "mine.csv"
    path.write_text(fold_csv(split.sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(read_folds(path, ids.tolist()), split)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study_id,fold\n1,0\n2,1\n", "study 3 has no fold"),
        ("study_id,fold\n1,0\n1,1\n2,1\n3,0\n", "study 1 is in more than one fold"),
        ("study_id,fold\n1,0\n2,1\n3,0\n9,1\n", "study 9 is not in the data set"),
        ("study_id,fold\n1,0\n2,2\n3,0\n", "without a gap"),
        ("study_id,fold\n1,0\n2,0\n3,0\n", "without a gap"),
        ("study_id,fold\n1,0\n2,one\n3,0\n", "fold one"),
        ("study_id,fold\n1,0\n2,0.5\n3,1\n", "whole numbers"),
        ("study,fold\n1,0\n", "the columns must be"),
        ("", "not a readable CSV"),
    ],
)
def test_bad_split_of_ones_own(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_folds(path, [1, 2, 3])


def test_studies_that_were_left_out_may_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("study_id,fold\n1,0\n2,1\n3,0\n9,1\n")
    assert read_folds(path, [1, 2, 3], left_out=[9])["study_id"].tolist() == [1, 2, 3]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_folds(tmp_path / "absent.csv", [1])
