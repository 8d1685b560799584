"""Suspected label errors: real flips on top of the list, and no excess where there is none."""

import numpy as np
import pytest

from bench.comparison.analysis.label_errors import excesses, label_errors, rule_shares, suspects
from bench.comparison.analysis.predicted import unweighted


def flipped(grades: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    flips = random.random(grades.shape) < share
    return np.where(flips, (grades + random.integers(1, 3, grades.shape)) % 3, grades).astype(np.int8), flips


def test_of_3_percent_flips_the_top_quarter_of_the_list_is_real(calibrated) -> None:
    said, grades = calibrated(1500, 0)
    wrong, flips = flipped(grades, 0.03, 1)
    found = suspects(np.arange(1500), wrong, unweighted(said))
    hits = np.array([flips[each.study, each.target] for each in found])
    assert hits[: flips.sum() // 4].mean() >= 0.95
    assert [each.probability for each in found] == sorted(each.probability for each in found)


def test_without_flips_observed_and_expected_agree_and_with_flips_they_do_not(calibrated) -> None:
    said, grades = calibrated(1000, 2)
    q = unweighted(said)
    for each in excesses(grades, q):
        assert abs(each.excess) < 3.5 * each.spread
    assert max(each.excess / each.spread for each in excesses(flipped(grades, 0.03, 3)[0], q)) > 8
    observed, expected = rule_shares(grades, said, q)
    assert observed == pytest.approx(expected, rel=0.05)


def test_the_published_predictions_show_what_the_rule_is_worth(real_data) -> None:
    import pandas as pd

    from bench.data.cohort import grades_of
    from bench.targets import PROBABILITY_COLUMNS, TARGET_NAMES

    labels = pd.read_csv(real_data / "rsna2024" / "train.csv")
    rows = [f"{study}_{name}" for study in labels["study_id"] for name in TARGET_NAMES]
    said = []
    for parts in (
        ("axial_baseline", "sagittal1_baseline", "sagittal2_baseline"),
        ("axial_swint", "sagittal1_s1_swint", "sagittal2_swint"),
    ):
        table = pd.concat([pd.read_csv(real_data / "oof" / f"{part}.csv.gz") for part in parts]).set_index("row_id")
        said.append(table.reindex(rows)[list(PROBABILITY_COLUMNS)].fillna(1 / 3).to_numpy().reshape(-1, 25, 3))
    mean, grades = np.mean(said, axis=0), grades_of(labels)
    observed, expected = rule_shares(grades, mean, unweighted(mean))
    assert observed == pytest.approx(0.0474, abs=5e-5)
    assert expected == pytest.approx(0.0477, abs=5e-5)
    wrong, flips = flipped(grades, 0.03, 0)
    wrong[grades < 0], flips[grades < 0] = -1, False
    q = np.mean([unweighted(each) for each in said], axis=0)
    hits = [flips[each.study, each.target] for each in suspects(np.arange(len(labels)), wrong, q)]
    assert np.mean(hits[: flips.sum() // 4]) >= 0.95


def test_a_store_of_the_prior_alone_suspects_nothing(read) -> None:
    assert label_errors(read({"prior": 0.0})) is None


def test_incomplete_approaches_are_judged_on_their_own_studies(read) -> None:
    of = read({"mil": 2.0}, missing={("mil", 0, 1)})
    found = label_errors(of)
    assert found.labels == 25 * of.approaches[0].held_out.sum()
    held_out = set(of.split.study_ids[of.approaches[0].held_out].tolist())
    assert {each.study for each in found.suspects} <= held_out
