from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.imaging.study import Series, Study
from bench.metric.localisation import ConditionLocalisation, document, judge_points, pooled
from bench.targets import AXIAL_T2, POINT_COLUMNS, SAGITTAL_T1, SAGITTAL_T2, TARGETS

LEVEL_MM = 30.0


def series(series_id: int, description: str, count: int) -> Series:
    """4 mm between slices, 1 mm pixels, 200 x 200, about the origin; instances run against the anatomical order."""
    axial = description == AXIAL_T2
    across, down, step = (
        ((1, 0, 0), (0, 1, 0), (0, 0, -4.0)) if axial else ((0, 1, 0), (0, 0, -1), (4.0, 0, 0))
    )  # fmt: skip
    centre = np.arange(count)[:, None] - (count - 1) / 2
    return Series(
        1, series_id, description, np.arange(count, 0, -1),
        centre * np.array(step) - 99.5 * (np.array(across) + np.array(down)),
        np.tile(np.array([across, down], float), (count, 1, 1)), np.ones((count, 2)), np.full((count, 2), 200),
    )  # fmt: skip


STUDY = Study(1, (series(10, AXIAL_T2, 41), series(20, SAGITTAL_T2, 15), series(30, SAGITTAL_T1, 15)))


def table(world_of) -> pd.DataFrame:
    """Points of all 25 targets at these places in the patient."""
    rows = []
    for target in TARGETS:
        world = world_of(target)
        one, index, _ = STUDY.nearest_slice(world, target.point_series)
        x, y = one.plane(index).to_pixel(world)
        words = target.condition_words, target.level_words
        rows.append((1, one.series_id, one.instance_numbers[index], *words, x, y))
    return pd.DataFrame(rows, columns=list(POINT_COLUMNS))


def anatomy(target) -> np.ndarray:
    x = {None: 0.0, "left": 16.0, "right": -16.0}[target.side]
    return np.array([x, 0.0, (2 - int(target.level[1]) + 1) * LEVEL_MM])


TRUE = table(anatomy)


def test_perfect_points() -> None:
    judged = judge_points(TRUE, TRUE, [STUDY])
    for name, count in (("spinal", 5), ("foraminal", 10), ("subarticular", 10)):
        one = judged[name]
        assert (one.true, one.found, one.same_series) == (count, count, count)
        assert (one.exact, one.off_by_one, one.further) == (1, 0, 0)
        assert (one.median_mm, one.percentile_95_mm) == (0, 0)
        assert one.level_confusions == one.side_swaps == 0
        assert np.trace(one.levels) == count


def test_slices_and_millimetres() -> None:
    moved = table(lambda target: anatomy(target) + np.array([4.0 * (int(target.level[1]) - 1), 3.0, 4.0]))
    spinal = judge_points(moved, TRUE, [STUDY])["spinal"]
    assert (spinal.exact, spinal.off_by_one, spinal.off_by_two, spinal.further) == pytest.approx((0.2, 0.2, 0.2, 0.4))
    assert spinal.within_one == pytest.approx(0.4)
    assert spinal.median_mm == pytest.approx(5.0)


def test_a_wrong_level_is_a_confusion() -> None:
    def one_down(target) -> np.ndarray:
        wrong = target.condition == "foraminal" and target.side == "left" and target.level == "l3_l4"
        return anatomy(target) - (0, 0, LEVEL_MM if wrong else 0)

    judged = judge_points(table(one_down), TRUE, [STUDY])
    assert judged["foraminal"].level_confusions == 1
    assert judged["foraminal"].levels[2][3] == 1
    assert judged["spinal"].level_confusions == judged["subarticular"].level_confusions == 0
    assert judged["foraminal"].side_swaps == 0


def test_a_wrong_side_is_a_swap() -> None:
    judged = judge_points(table(lambda target: anatomy(target) * (-1, 1, 1)), TRUE, [STUDY])
    assert judged["foraminal"].side_swaps == judged["subarticular"].side_swaps == 10
    assert judged["spinal"].side_swaps == 0


def test_what_is_missing_on_either_side_counts_for_nothing() -> None:
    found = TRUE[TRUE["condition"] != "Spinal Canal Stenosis"]
    unplaced = pd.concat([TRUE, TRUE.iloc[:1].assign(study_id=2), TRUE.iloc[:1].assign(series_id=99)])
    judged = judge_points(found, unplaced.drop_duplicates(["study_id", "condition", "level"]), [STUDY])
    assert (judged["spinal"].true, judged["spinal"].found) == (5, 0)
    assert document(judged)["spinal"]["median_mm"] is None
    assert judged["foraminal"].found == 10


def test_jobs_pool_as_if_judged_together() -> None:
    shifted = TRUE.assign(x=TRUE["x"] + np.where(np.arange(len(TRUE)) % 3, 0.0, 4.0))
    other = Study(2, STUDY.series)
    tables = [pd.concat([table, more.assign(study_id=2)]) for table, more in ((TRUE, TRUE), (TRUE, shifted))]
    together = judge_points(tables[1], tables[0], [STUDY, other])
    apart = [document(judge_points(found, TRUE, [STUDY])) for found in (TRUE, shifted)]
    for condition, one in pooled(apart).items():
        assert one == together[condition]
        assert one.percentile_95_mm > one.median_mm


def test_none_farther_than_two_is_exactly_none() -> None:
    judged = ConditionLocalisation(489, 489, [0] * 398 + [1] * 83 + [2] * 8, [], [], 0)
    assert judged.further == 0  # one minus the other shares would be a rounding error below it
    assert 1 - judged.exact - judged.off_by_one - judged.off_by_two != 0
