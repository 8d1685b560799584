from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bench.approaches.multitask.slice_errors import (
    frequencies,
    load_slice_errors,
    measure_slice_errors,
    slice_offsets,
)
from bench.data.keypoints import Keypoints
from bench.errors import BenchError
from bench.files.atomic import write_json
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, indices
from bench.testing import make_context


class FixedSelector:
    """T2 on slice 5, right T1 on 2, left on 8, axial of level l on 2 l; of the lowest level none."""

    def sagittal(self, studies, context):
        slices = {(SAGITTAL_T2, None): (10, 5), (SAGITTAL_T1, "right"): (20, 2), (SAGITTAL_T1, "left"): (20, 8)}
        return [{(*key, level): SimpleNamespace(series_id=series, index=index)
                 for key, (series, index) in slices.items() for level in LEVELS[:4]} for _ in studies]  # fmt: skip

    def axial(self, studies, level_positions, context):
        return [
            {(AXIAL_T2, None, level): SimpleNamespace(series_id=30, index=2 * place)}
            for _ in studies
            for place, level in [(1, LEVELS[1])]
        ]


def test_offsets_compare_slices_of_one_series_alone(three) -> None:
    true = Keypoints.none(1)
    canal, right, left = indices("spinal"), indices("foraminal", "right"), indices("foraminal", "left")
    true.set(0, canal[0], 10, 4, (1, 1))
    true.set(0, canal[4], 10, 4, (1, 1))  # not selected
    true.set(0, right[1], 20, 2, (1, 1))
    true.set(0, left[1], 20, 10, (1, 1))
    true.set(0, left[2], 10, 8, (1, 1))  # on another series
    true.set(0, indices("subarticular", "left")[1], 30, 2, (1, 1))
    true.set(0, indices("subarticular", "right")[1], 30, 5, (1, 1))
    found = slice_offsets(FixedSelector(), [three], true, None)  # type: ignore[arg-type]
    assert {kind: sorted(some) for kind, some in found.items()} == {
        SAGITTAL_T2: [1], SAGITTAL_T1: [-2, 0], AXIAL_T2: [-3, 0]
    }  # fmt: skip


def test_frequencies_sum_to_one_and_far_misses_count_as_two() -> None:
    values, shares = frequencies([0, 0, 1, -7])
    np.testing.assert_array_equal(values, [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(shares, [0.25, 0, 0.5, 0.25, 0])


def test_errors_are_measured_on_studies_that_selection_was_not_trained_on(
    odd, parts, tmp_path, monkeypatch, resolved
) -> None:
    trained, asked = [], []
    monkeypatch.setattr(
        "bench.approaches.multitask.slice_errors.train_selection",
        lambda studies, *_: trained.extend(studies.study_ids.tolist()),
    )
    monkeypatch.setattr(
        "bench.approaches.multitask.slice_errors.slice_offsets",
        lambda selector, studies, *_: asked.extend(study.study_id for study in studies) or {SAGITTAL_T2: [0, 1]},
    )
    monkeypatch.setattr("bench.approaches.multitask.slice_errors.Selector.load", lambda *_: None)
    context = make_context(tmp_path, odd.volumes)
    measure_slice_errors(parts[0], context, resolved().selection)
    assert set(trained) | set(asked) == set(parts[0].study_ids.tolist())
    assert trained
    assert asked
    assert not set(trained) & set(asked)
    errors = load_slice_errors(context.folder)
    assert set(errors) == {SAGITTAL_T2}
    np.testing.assert_allclose(errors[SAGITTAL_T2][1], [0, 0, 0.5, 0.5, 0])


def test_nothing_is_measured_on_a_single_study(odd, parts, tmp_path, resolved) -> None:
    context = make_context(tmp_path, odd.volumes)
    measure_slice_errors(parts[0].subset(parts[0].study_ids[:1]), context, resolved().selection)
    assert load_slice_errors(context.folder) == {}


def test_another_version_is_refused(tmp_path) -> None:
    write_json(tmp_path / "slice_errors.json", {"schema_version": 0, "offsets": {}})
    with pytest.raises(BenchError, match="schema version 1"):
        load_slice_errors(tmp_path)
