from __future__ import annotations

from pathlib import Path

import pytest
from selection import PLACE, columns, importance, middle_slices
from superres import opened_phantom

from bench.approaches.multitask.selection import SelectionConfig
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
def test_shuffling_the_place_costs_most_for_axial_slices(tmp_path: Path) -> None:
    opened = opened_phantom("tiny:0")
    ids = opened.cohort.study_ids
    train, test = opened.cohort.subset(ids[:14]), opened.cohort.subset(ids[14:])
    context = make_context(tmp_path, opened.volumes, all_studies=opened.cohort)
    selector = fit_selector(train, context, SelectionConfig())
    keypoints = read_keypoints(test, lambda *_: None)
    exact = {name: found["axial"]["within_one"] for name, found in importance(selector, test, keypoints, context)}
    assert min(exact, key=exact.__getitem__) == PLACE
    study, middle = test.studies[0], middle_slices(test)[0]
    series = study.main_series(SAGITTAL_T2)
    assert series is not None
    assert {middle[SAGITTAL_T2, None, level].index for level in LEVELS} == {len(series) // 2}
