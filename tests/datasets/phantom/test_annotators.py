from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.phantom.annotators import SCATTER_MM, slices_off, true_point
from bench.datasets.phantom.labels import label_statistics
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.tables import PlannedStudy, plan
from bench.imaging.geometry import Plane
from bench.targets import SAGITTAL_T1, SAGITTAL_T2

STUDIES = 400


@pytest.fixture(scope="module")
def studies() -> list[PlannedStudy]:
    return [plan(2, index, PRESETS["small"]) for index in range(STUDIES)]


def test_canal_points_lie_on_one_slice_as_often_as_really(studies: list[PlannedStudy]) -> None:
    one = [
        len({point.instance_number for point in study.points if point.target.condition == "spinal"}) == 1
        for study in studies
    ]
    assert np.mean(one) == pytest.approx(0.78, abs=0.08)


def test_recess_points_share_a_slice_as_often_as_really(studies: list[PlannedStudy]) -> None:
    shared, same_series = [], []
    for study in studies:
        points = {(p.target.level, p.target.side): p for p in study.points if p.target.condition == "subarticular"}
        for (level, side), point in points.items():
            other = points.get((level, "right"))
            if side == "left" and other is not None:
                same_series.append(point.series_id == other.series_id)
                shared.append((point.series_id, point.instance_number) == (other.series_id, other.instance_number))
    assert np.mean(shared) == pytest.approx(0.568, abs=0.05)
    assert np.mean(same_series) > 0.9


def test_left_instances_are_lower_in_36_of_100(studies: list[PlannedStudy]) -> None:
    lower = []
    for study in studies:
        numbers = {
            side: [
                p.instance_number for p in study.points if p.target.condition == "foraminal" and p.target.side == side
            ]
            for side in ("left", "right")
        }
        if numbers["left"] and numbers["right"]:
            lower.append(np.mean(numbers["left"]) < np.mean(numbers["right"]))
    assert np.mean(lower) == pytest.approx(0.36, abs=0.08)


def test_click_scatter_in_mm(studies: list[PlannedStudy]) -> None:
    off: dict[str, list[float]] = {"spinal": [], "foraminal": [], "subarticular": []}
    for study in studies[:60]:
        places = {
            (plan.series_id, number): Plane(origin, block.along_x, block.along_y, np.full(2, plan.spacing))
            for plan in study.plans
            for number, (block, origin) in zip(
                plan.instance_numbers, ((b, o) for b in plan.blocks for o in b.origins), strict=True
            )
        }
        for point in study.points:
            plane = places[point.series_id, point.instance_number]
            true = plane.to_pixel(true_point(study.patient, point.target))
            off[point.target.condition] += [*((np.array([point.x, point.y]) - true) * plane.spacing)]
    for condition, values in off.items():
        assert np.std(values) == pytest.approx(SCATTER_MM[condition], rel=0.1)


def test_slices_off_counts_from_the_slice_nearest_to_the_true_place(studies: list[PlannedStudy]) -> None:
    study = studies[0]
    point = next(one for one in study.points if one.target.condition == "foraminal")
    series = next(one for one in study.plans if one.series_id == point.series_id)
    origins = [origin for block in series.blocks for origin in block.origins]
    across = [abs(origin[0] - true_point(study.patient, point.target)[0]) for origin in origins]  # sagittal slices
    for index, number in enumerate(series.instance_numbers):
        moved = [replace(point, instance_number=number)]
        assert slices_off(study.patient, moved, study.plans) == {"foraminal": [abs(index - int(np.argmin(across)))]}
    assert slices_off(study.patient, [replace(point, instance_number=-1)], study.plans) == {}


def test_points_lie_where_the_real_ones_do(studies: list[PlannedStudy]) -> None:
    """Per condition and level, relative to the image: mean within 0.03, spread within 25 %."""
    real = label_statistics()["relative_point_position_mean_sd_x_y"]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in real}
    for study in studies:
        shapes = {plan.series_id: plan.shape for plan in study.plans if plan.description in (SAGITTAL_T1, SAGITTAL_T2)}
        for point in study.points:
            name = f"{point.target.condition_words}|{point.target.level_words}"
            if point.series_id in shapes and name in found:
                rows, columns = shapes[point.series_id]
                found[name].append((point.x / columns, point.y / rows))
    for name, (mean_x, sd_x, mean_y, sd_y) in real.items():
        values = np.array(found[name])
        assert values.mean(axis=0) == pytest.approx([mean_x, mean_y], abs=0.03), name
        assert values.std(axis=0) == pytest.approx([sd_x, sd_y], rel=0.25), name
