from __future__ import annotations

from pathlib import Path

import pytest
from selection import PLACE, columns, importance, middle_slices
from superres import opened_phantom

from bench.approaches.multitask.selection import SelectionConfig
from bench.approaches.multitask.selection.accuracy import measure
from bench.approaches.multitask.selection.stage import fit_selector
from bench.approaches.multitask.selection.texture import blocks
from bench.data.keypoints import read_keypoints
from bench.targets import LEVELS, SAGITTAL_T2
from bench.testing import make_context


def test_every_column_belongs_to_one_block() -> None:
    config = SelectionConfig()
    width = 2 * sum(blocks(config.features).values()) + 6
    found = columns(config, width)
    assert sorted(column for own in found.values() for column in own) == list(range(width))
    assert len(found[PLACE]) == 6


@pytest.mark.slow
def test_shuffling_the_place_of_axial_slices_costs_accuracy(tmp_path: Path) -> None:
    opened = opened_phantom("tiny:0")
    ids = opened.cohort.study_ids
    train, test = opened.cohort.subset(ids[:3]), opened.cohort.subset(ids[3:])
    context = make_context(tmp_path, opened.volumes, all_studies=opened.cohort)
    selector = fit_selector(train, context, SelectionConfig())
    keypoints = read_keypoints(test, lambda *_: None)
    _, accuracy = measure(selector, test.studies, keypoints, context)
    plain = accuracy["axial"]["ensemble"]
    found = {name: one["axial"] for name, one in importance(selector, test, keypoints, context)}
    assert plain["n"] == found[PLACE]["n"] > 20
    assert found[PLACE]["within_one"] < plain["within_one"] - 0.1
    assert found[PLACE]["exact"] < found["hog"]["exact"] - 0.1
    study, middle = test.studies[0], middle_slices(test)[0]
    series = study.main_series(SAGITTAL_T2)
    assert series is not None
    assert {middle[SAGITTAL_T2, None, level].index for level in LEVELS} == {len(series) // 2}
