"""Stage 1 as a whole, without networks: what it notes and what it refuses to load."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.approaches.mil import location, point_stage, slice_stage
from bench.approaches.mil.axial_slices import note_crowded
from bench.approaches.mil.config import Location
from bench.approaches.mil.location import Locator, silent
from bench.data.keypoints import Keypoints
from bench.errors import BenchError
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T1, SAGITTAL_T2, TARGETS

SCHEDULE = {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3}
POINTS = {"backbone": "test_resnet", "size": (64, 64), "schedule": SCHEDULE}
CONFIG = Location.model_validate({"depth": {"schedule": SCHEDULE}, "sagittal": POINTS, "axial": POINTS})


def test_slices_that_no_network_tells_are_noted(study: Study) -> None:
    notes: list[str] = []
    context: Any = None  # nothing is asked of it
    Locator(CONFIG).locate([study], context, lambda _, text: notes.append(text))
    told = [text for text in notes if "no network tells the slice" in text]
    assert [text.split(":")[0] for text in told] == ["canal", "foramina", "foramina"]


def test_a_stage_of_another_version_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "location.json").write_text(json.dumps({"schema_version": 1, "networks": [], "shifts": {}}))
    with pytest.raises(BenchError, match=r"another version.*Train it anew"):
        Locator.load(tmp_path, CONFIG)


def test_found_each_on_its_own_slices_of_both_kinds_come_together(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(networks: Any, studies: Any, task: slice_stage.Task, context: Any) -> np.ndarray:
        slices = np.full((1, 25), np.nan)
        for view in task.views:
            slices[0, list(view.targets)] = 3 if task.name == "canal" else 7
        return slices

    monkeypatch.setattr(slice_stage, "find_slices", find)
    context: Any = None
    marks = Locator(CONFIG)._find_slices([study], context, silent, None)
    assert marks[0, :15].tolist() == [3] * 5 + [7] * 10
    assert np.isnan(marks[0, 15:]).all()


@pytest.mark.parametrize(("turn", "noted"), [(59.0, False), (61.0, True)])
def test_slices_too_far_from_sagittal_to_be_found_together_are_noted(
    series_of: Callable[..., Series], turn: float, noted: bool
) -> None:
    across = (float(np.sin(np.radians(turn))), float(np.cos(np.radians(turn))), 0.0)  # turned about the long axis
    oblique = series_of(30, SAGITTAL_T1, directions=(across, (0.0, 0.0, -1.0)))
    notes: list[str] = []
    context: Any = None
    locator = Locator(CONFIG.model_copy(update={"together": True}))
    locator._find_slices(
        [Study(1, (series_of(20, SAGITTAL_T2), oblique))], context, lambda _, text: notes.append(text), None
    )
    assert [text.split(":")[0] for text in notes] == ["slices far from sagittal"] * noted


def test_slices_cannot_be_found_together_by_a_network_that_tells_a_point() -> None:
    point = {"schedule": SCHEDULE, "predicts": "point"}
    with pytest.raises(ValueError, match='together = true needs predicts = "slice"'):
        Location.model_validate({**CONFIG.model_dump(), "together": True, "more_depth": [point]})


def taught_by(*targets: int, mirror: bool = False) -> list[str]:
    marks = Keypoints.none(2)
    for target in targets:
        marks.set(1, target, 1, 0, (1.0, 1.0))
    return [TARGETS[target].name for target in np.flatnonzero(location._taught(marks, mirror=mirror))]


def test_what_no_training_study_shows_is_not_taught() -> None:
    assert taught_by() == []
    assert taught_by(0, 6) == [TARGETS[0].name, TARGETS[6].name]
    assert taught_by(0, 6, mirror=True) == [TARGETS[target].name for target in (0, 6, 11)]
    assert taught_by(17) == [TARGETS[target].name for target in range(15, 20)]  # one network for all levels
    assert taught_by(17, mirror=True) == [TARGETS[target].name for target in range(15, 25)]


def test_an_untaught_head_locates_nothing_and_that_is_noted(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    locator = Locator(CONFIG)
    locator.taught[:] = [target not in (5, 20, 21, 22, 23, 24) for target in range(25)]
    monkeypatch.setattr(locator, "ensemble", lambda *_: ["a network"])
    slices = np.full((1, 25), np.nan)
    slices[0, :15] = 5
    monkeypatch.setattr(locator, "_find_slices", lambda *_: slices)

    def find(models: Any, series: Any, *_: Any, axial: bool, **__: Any) -> np.ndarray:
        return np.full((len(series), 2 if axial else 10, 2), 40.0)

    monkeypatch.setattr(point_stage, "find_points", find)
    notes: list[str] = []
    context: Any = None
    marks = locator.locate([study], context, lambda _, text: notes.append(text))
    np.testing.assert_array_equal(marks.known[0], locator.taught)
    told = [text for text in notes if text.startswith("no training study has a point")]
    assert len(told) == 2
    assert TARGETS[5].name in told[0]
    assert all(TARGETS[target].name in told[1] for target in range(20, 25))


def test_of_several_series_of_a_kind_the_one_with_most_slices_is_looked_at_and_that_is_noted(
    study: Study, series_of: Callable[..., Series]
) -> None:
    notes: list[str] = []
    context: Any = None
    twice = replace(study, series=(*study.series, series_of(21, SAGITTAL_T2, count=5)))
    for one in (study, twice):
        Locator(CONFIG).locate([one], context, lambda _, text: notes.append(text))
    assert [text for text in notes if text.startswith("several")] == [
        f"several {SAGITTAL_T2}: canal looked for in the one with most slices"
    ]


def test_levels_located_nearly_at_one_place_are_noted(study: Study) -> None:
    marks = Keypoints.none(1)
    for level, y in enumerate((5, 10, 30, 50, 70)):  # pixels of 2 mm
        marks.set(0, level, 20, 5, (40, y))
        marks.set(0, 5 + level, 30, 8, (40, 20 * level))
    notes: list[str] = []
    note_crowded([study], marks, lambda _, text: notes.append(text))
    assert notes == [f"{TARGETS[0].name} and {TARGETS[1].name} located 10 mm apart: one of them may be out of view"]
