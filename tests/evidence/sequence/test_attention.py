from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bench.data.cohort import Cohort
from bench.imaging.study import Study
from bench.targets import POINT_COLUMNS, SAGITTAL_T1


@pytest.fixture
def measured(study: Study):
    from attention import marked_attention

    points = pd.DataFrame([(1, 20, 6, "Spinal Canal Stenosis", "L3/L4", 40.0, 50.0)], columns=list(POINT_COLUMNS))

    def measure(weights: dict[tuple[int, int], float], whole: Study = study) -> pd.Series:
        name = "1_spinal_canal_stenosis_l3_l4"
        rows = [(name, series, instance, weight) for (series, instance), weight in weights.items()]
        evidence = pd.DataFrame(rows, columns=["row_id", "series_id", "instance_number", "weight"])
        return marked_attention(evidence, Cohort((whole,), None, points)).iloc[0]

    return measure


def test_attention_counts_within_the_type_of_scan(measured) -> None:
    found = measured({(20, 6): 0.2, (20, 7): 0.1, (20, 9): 0.1, (30, 6): 0.6})
    assert found["shown"]
    assert found["weight"] == pytest.approx(0.75)
    assert found["chance"] == pytest.approx(2 / 3)


def test_another_series_of_the_type_is_part_of_chance_but_no_hit(measured, study) -> None:
    other = replace(next(one for one in study.series if one.description == SAGITTAL_T1), series_id=40)
    second = replace(other, description="Sagittal T2/STIR")
    whole = replace(study, series=(*study.series, second))
    found = measured({(20, 6): 0.5, (40, 6): 0.5}, whole)
    assert (found["weight"], found["chance"]) == (0.5, 0.5)


def test_a_slice_that_was_not_shown_is_counted_apart(measured) -> None:
    from attention import summary

    found = measured({(20, 5): 0.5, (20, 1): 0.5})
    assert not found["shown"]
    table = summary(pd.DataFrame([found]), np.random.default_rng(0))
    assert table.loc[0, ["targets", "not shown"]].tolist() == [0, 1]


def test_the_ratio_is_that_of_means_over_studies() -> None:
    from attention import summary

    rows = [(study, "spinal", True, 0.6, 0.3) for study in range(5)]
    given = pd.DataFrame(rows, columns=["study_id", "condition", "shown", "weight", "chance"])
    table = summary(given, np.random.default_rng(0))
    assert table.loc[0, ["ratio", "low", "high"]].tolist() == pytest.approx([2, 2, 2])
