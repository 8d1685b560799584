from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.datasets.phantom.acquisition import SeriesPlan, plan_study
from bench.datasets.phantom.annotators import true_point
from bench.datasets.phantom.canal import level_measures
from bench.datasets.phantom.disease import narrowing
from bench.datasets.phantom.labels import label_model
from bench.datasets.phantom.patient import Patient, make_patient
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.scan import _scan_block
from bench.imaging.geometry import Plane
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2, TARGETS, Target

LEVEL = 3  # L4/L5


def patients(count: int) -> list[Patient]:
    return [make_patient(1, index, label_model().draw(1, index)) for index in range(count)]


def with_steps(target: Target, step: float) -> tuple[Patient, list[SeriesPlan]]:
    """One patient with one target at a severity and everything else healthy."""
    severities = label_model().draw(1, 5)
    steps = np.full(25, -1.5)
    patient = make_patient(1, 5, replace(severities, steps=steps))
    plans = plan_study(1, 5, patient, PRESETS["small"], 0)
    steps[TARGETS.index(target)] = step
    return replace(patient, narrowing=narrowing(patient.person, steps)), plans


def clean_crop(target: Target, step: float, half_mm: float) -> NDArray[np.floating]:
    """Pixels around a target without noise, on the slice nearest to it."""
    patient, plans = with_steps(target, step)
    plan = next(plan for plan in plans if plan.description == target.point_series)
    point = true_point(patient, target)
    best = min(
        (abs(float(Plane(o, b.along_x, b.along_y, np.ones(2)).distance(point))), i, j)
        for i, b in enumerate(plan.blocks)
        for j, o in enumerate(b.origins)
    )
    block = plan.blocks[best[1]]
    block = replace(block, origins=block.origins[best[2] : best[2] + 1])
    image = _scan_block(block, plan, patient, np.random.default_rng(0))[0]
    plane = Plane(block.origins[0], block.along_x, block.along_y, np.full(2, plan.spacing))
    x, y = plane.to_pixel(point)
    half = half_mm / plan.spacing
    return image[int(y - half) : int(y + half) + 1, int(x - half) : int(x + half) + 1] / np.percentile(image, 95)


def targets(condition: str) -> list[Target]:
    return [target for target in TARGETS if target.condition == condition and target.level == "l4_l5"]


@pytest.mark.parametrize(
    ("condition", "series"),
    [("spinal", SAGITTAL_T2), ("foraminal", SAGITTAL_T1), ("subarticular", AXIAL_T2)],
)
def test_bright_space_falls_with_the_severity(condition: str, series: str) -> None:
    """CSF or fat around the nerve, in pixels, must vanish step by step where the condition lives."""
    target = targets(condition)[0]
    assert target.point_series == series
    half = {"spinal": 5.0, "foraminal": 8.0, "subarticular": 3.5}[condition]
    bright = [float(clean_crop(target, step, half).mean()) for step in (-1.5, 0.3, 1.5, 2.8)]
    assert all(later < earlier for earlier, later in itertools.pairwise(bright)), bright
    assert bright[-1] < 0.85 * bright[0]


def test_the_other_side_does_not_change() -> None:
    left, right = targets("foraminal")
    patient, _ = with_steps(left, 2.8)
    healthy, _ = with_steps(left, -1.5)
    np.testing.assert_array_equal(patient.narrowing.foramen[:, 1], healthy.narrowing.foramen[:, 1])
    assert patient.narrowing.foramen[LEVEL, 0] < healthy.narrowing.foramen[LEVEL, 0]
    assert right.side == "right"


def test_measures_fall_strictly_with_severity() -> None:
    person = patients(1)[0].person
    grid = np.linspace(-4, 5, 40)
    drawn = [narrowing(person, np.full(25, step)) for step in grid]
    for name in ("sac", "recess_mm", "foramen"):
        values = np.stack([getattr(one, name) for one in drawn])
        assert (np.diff(values, axis=0) < 0).all()


def test_sizes_lie_in_the_literatures_ranges() -> None:
    """Means over 200 people; sources stand in the README."""
    people = patients(200)
    discs = np.array([[p.spine.level(level).front for level in range(5)] for p in people])
    assert 6.0 < discs[:, 0].mean() < 9.0
    assert 7.0 < discs[:, 3].mean() < 11.5
    lordosis = [p.person.lordosis for p in people]
    assert 40 < np.mean(lordosis) < 60
    sac = [p.person.sac_depth for p in people]
    assert 12 < np.mean(sac) < 16.5
    severe = [narrowing(p.person, np.full(25, 2.5)).sac[0] * p.person.sac_depth for p in people]
    assert np.mean(severe) < 7


def test_left_is_left() -> None:
    for patient in patients(30):
        for target in TARGETS:
            if target.side == "left":
                other = Target(target.condition, "right", target.level)
                assert true_point(patient, target)[0] > true_point(patient, other)[0] + 8


def test_levels_go_down() -> None:
    for patient in patients(30):
        for start in range(0, 25, 5):
            heights = [true_point(patient, target)[2] for target in TARGETS[start : start + 5]]
            assert (np.diff(heights) < -15).all()


def test_canal_walls_keep_their_order() -> None:
    for patient in patients(50):
        for level in range(5):
            measures = level_measures(patient, level)
            assert 0 < measures.front < measures.back
