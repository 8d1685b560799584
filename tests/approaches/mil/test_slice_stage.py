"""Stage 1a: what its networks are trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.approaches.mil import slice_stage
from bench.approaches.mil.location_config import DepthNetwork
from bench.approaches.mil.slice_stage import MarkedStack, StackBatches, marked_stacks
from bench.approaches.mil.structures import structures
from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T2, indices
from bench.training.augmentation import ShiftScaleRotate
from bench.training.stacks import Stack

CONFIG = DepthNetwork(pooling="slice", size=(64, 64), schedule={"epochs": 1, "batch_size": 1, "learning_rate": 1e-3})


def test_a_training_batch_holds_series_of_one_depth_so_that_none_is_padded(
    series_of: Callable[..., Series], blank_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [9, 11, 9, 40, 11, 9, 32, 9, 9]  # what is longer than the network is deep is resampled to its 32
    unknown = np.full(5, np.nan)
    stacks = [
        MarkedStack(Stack(series_of(number, SAGITTAL_T2, count=count)), unknown, np.stack([unknown, unknown], axis=1))
        for number, count in enumerate(counts)
    ]
    config = CONFIG.model_copy(update={"schedule": CONFIG.schedule.model_copy(update={"batch_size": 2})})
    batches = StackBatches(stacks, config, blank_context, seed=3, symmetric=False)
    monkeypatch.setattr(batches, "batch", lambda stacks, random: [one.stack.series.series_id for one in stacks])

    seen = [[batch for batch, _ in batches.epoch(number)] for number in (0, 1, 0)]
    assert all(len(epoch) == len(batches) == 5 for epoch in seen)
    assert all(sorted(number for batch in epoch for number in batch) == list(range(9)) for epoch in seen)
    assert all(len({min(counts[number], 32) for number in batch}) == 1 for batch in seen[0] + seen[1])
    assert seen[0] == seen[2] != seen[1]


def test_a_point_that_augmentation_moves_out_of_the_image_is_unknown(
    series_of: Callable[..., Series], monkeypatch: pytest.MonkeyPatch, blank_context: Any
) -> None:
    pixels = np.array([[40.0, 50.0], [2.0, 50.0]])  # of 80 x 100; the second lies at the edge
    marked = MarkedStack(Stack(series_of(1, SAGITTAL_T2)), np.array([3.0, 4.0]), pixels)
    config = CONFIG.model_copy(update={"affine": ShiftScaleRotate(shift=0.0, scale=0.0, rotate=0.0)})
    batches = StackBatches([marked], config, blank_context, seed=0, symmetric=False)
    moved = np.array([[0, 0, 8.0], [0, 0, 0]])
    monkeypatch.setattr(slice_stage, "shift_scale_rotate", lambda matrices, *_: matrices + moved)
    batch = batches.batch([marked], np.random.default_rng(0))
    np.testing.assert_allclose(batch.points[0, :, 0], [(40 - 8 + 0.5) / 80, np.nan])
    np.testing.assert_allclose(batch.points[0, :, 1], [50.5 / 100, np.nan])
    np.testing.assert_allclose(batch.points[0, :, 2], [3.5 / 32, 4.5 / 32])
    assert batch.slices.tolist() == [[3, 4]]
    assert batches.batch([marked.reversed()], np.random.default_rng(0)).slices.tolist() == [[7, 6]]


@pytest.mark.parametrize("mirror", [True, False])
def test_stacks_hold_the_points_that_are_marked_on_their_series(study: Study, mirror: bool) -> None:
    keypoints = Keypoints.none(1)
    left, right = indices("foraminal", "left"), indices("foraminal", "right")
    keypoints.set(0, left[2], 30, 8, (41, 51))
    keypoints.set(0, right[2], 30, 2, (42, 52))
    stacks = marked_stacks([study], keypoints, structures(mirror)["foramina"])
    assert [one.stack.reverse for one in stacks] == ([True, False] if mirror else [False])
    if mirror:
        np.testing.assert_array_equal([one.slices[2] for one in stacks], [8, 2])
    else:
        np.testing.assert_array_equal(stacks[0].slices[[2, 7]], [8, 2])
    assert sum(int(np.isfinite(one.slices).sum()) for one in stacks) == 2
    assert marked_stacks([study], keypoints, structures(mirror)["canal"]) == []
