from __future__ import annotations

import numpy as np
import pytest

from bench.data.load import Opened, open_dataset
from bench.datasets.phantom import Phantom, build
from bench.datasets.phantom.edge_cases import EDGE_CASES
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.tables import PlannedStudy, plan
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2


def kinds(study: PlannedStudy) -> list[str]:
    return [series.description for series in study.plans]


@pytest.fixture(scope="module")
def odd() -> dict[str, PlannedStudy]:
    return {EDGE_CASES[index].name: plan(100, index, PRESETS["odd"]) for index in range(40)}


def test_there_is_one_study_per_edge_case() -> None:
    assert len(EDGE_CASES) == PRESETS["odd"].studies == 40
    assert len({edge_case.name for edge_case in EDGE_CASES}) == 40


def test_missing_series(odd: dict[str, PlannedStudy]) -> None:
    assert SAGITTAL_T1 not in kinds(odd["no T1"])
    assert SAGITTAL_T2 not in kinds(odd["no T2"])
    assert AXIAL_T2 not in kinds(odd["no axial"])
    assert kinds(odd["T1 alone"]) == [SAGITTAL_T1]
    assert not [point for point in odd["no T2"].points if point.target.condition == "spinal"]


def test_slice_counts(odd: dict[str, PlannedStudy]) -> None:
    assert all(len(series) == 1 for series in odd["one slice in every series"].plans)
    assert [len(s) for s in odd["200 axial slices"].plans if s.description == AXIAL_T2] == [200]


def test_labels_and_points(odd: dict[str, PlannedStudy]) -> None:
    assert (odd["labels missing everywhere"].severities.grades == -1).all()
    assert not odd["labels missing everywhere"].points
    assert not odd["no points"].points
    assert {point.target.side for point in odd["points on the left alone"].points} == {"left"}
    grades = odd["three levels in view"].severities.grades.reshape(5, 5)
    assert (grades[:, :2] == -1).all()
    assert (grades[0, 2:] >= 0).all()


def test_series_numbers_stay_different(odd: dict[str, PlannedStudy]) -> None:
    numbers = [series.series_id for study in odd.values() for series in study.plans]
    assert len(set(numbers)) == len(numbers)
    assert len({study.study_id for study in odd.values()}) == 40


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """All forty, built and read; takes half a minute."""
    base = tmp_path_factory.mktemp("odd")
    folder = build(base / "data", preset="odd", seed=100, jobs=2)
    return open_dataset(Phantom(), folder, base / "cache", 2, lambda *_: None)


@pytest.mark.slow
def test_our_reader_names_every_fault_and_loses_no_study(opened: Opened) -> None:
    assert len(opened.cohort) == 40
    assert not opened.exclusions
    what = " / ".join(fault.what for fault in opened.faults)
    for word in (
        "cut short",
        "not a DICOM file",
        "empty (0 bytes)",
        "holds no files",
        "no such folder",
        "ImagePosition",
    ):
        assert word in what


@pytest.mark.slow
def test_points_lie_on_their_side_after_reading(opened: Opened, odd: dict[str, PlannedStudy]) -> None:
    coronal = odd["an axial series that lies coronal"].study_id
    points = opened.cohort.points
    assert points is not None
    for study in opened.cohort.studies:
        if study.study_id == coronal:
            continue
        here = points[points["study_id"] == study.study_id]
        world, slices = {}, {}
        for row in here.to_dict("records"):
            series = study.get(row["series_id"])
            plane = series.plane(series.index_of(row["instance_number"]))
            world[row["condition"], row["level"]] = plane.to_world([row["x"], row["y"]])
            slices[row["condition"], row["level"]] = len(series)
        for (condition, level), place in world.items():
            other = world.get((condition.replace("Left", "Right"), level))
            if condition.startswith("Left") and other is not None:
                # on the only slice of a sagittal series both sides have the same x
                assert place[0] > other[0] or (np.isclose(place[0], other[0]) and slices[condition, level] == 1)
