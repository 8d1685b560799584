"""Stage 1a: what the slices' scores are turned into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.approaches.mil import slice_stage
from bench.approaches.mil.config import DepthNetwork
from bench.approaches.mil.slice_stage import find_chances, find_slices, tasks
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T2
from bench.training.augmentation import ShiftScaleRotate

CONFIG = DepthNetwork(pooling="slice", size=(64, 64), schedule={"epochs": 1, "batch_size": 1, "learning_rate": 1e-3})
CANAL, FORAMINA = tasks(mirror=True)
READER = slice_stage.StackReader


class Fixed(nn.Module):
    """Scores that depend on the place in the stack alone: the same for every point."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores[: images.shape[1]].expand(len(images), 5, -1).clone()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """No pixels are needed: the reader gives blank images of the right depth."""

    class Blank:
        def __init__(self, config: DepthNetwork, context: Any) -> None:
            self.config, self.crops = config, SimpleNamespace(device="cpu")

        def matrices(self, stacks: list[slice_stage.Stack]) -> np.ndarray:
            return READER.matrices(self, stacks)  # type: ignore[arg-type]

        def depth(self, stacks: list[slice_stage.Stack]) -> int:
            return READER.depth(self, stacks)  # type: ignore[arg-type]

        def read(self, stacks: list[slice_stage.Stack], matrices: np.ndarray | None = None) -> Tensor:
            return torch.zeros(1, self.depth(stacks), 64, 64)

    monkeypatch.setattr(slice_stage, "StackReader", Blank)
    return SimpleNamespace(device="cpu")


def found(study: Study, task: slice_stage.Task, scores: list[float], context: Any) -> np.ndarray:
    return find_slices([(CONFIG, Fixed(scores))], [study], task, context)[0]


def peaks(*places: tuple[int, float]) -> list[float]:
    scores = [-20.0] * 11
    for place, score in places:
        scores[place] = score
    return scores


def test_the_canal_is_seen_in_either_order_and_the_scores_are_averaged(study: Study, context: Any) -> None:
    # Seen one way slice 2 of 11 wins, seen the other way slice 8; 5 is nobody's first choice, but both ways' second.
    assert (found(study, CANAL, peaks((2, 3.0), (5, 2.5)), context)[:5] == 5).all()


def test_left_foramina_are_counted_from_the_other_end(study: Study, context: Any) -> None:
    slices = found(study, FORAMINA, peaks((3, 0.0)), context)
    assert (slices[10:15] == 3).all()
    assert (slices[5:10] == 7).all()
    assert np.isnan(slices[:5]).all()


def test_chances_are_the_mean_of_all_networks_in_anatomical_order(study: Study, context: Any) -> None:
    networks = [(CONFIG, Fixed(peaks((3, 0.0)))), (CONFIG, Fixed(peaks((1, 0.0))))]
    (chances,) = find_chances(networks, [study], FORAMINA, context)
    assert sorted(chances) == list(range(5, 15))
    for target, places in ((5, (7, 9)), (10, (3, 1))):
        np.testing.assert_allclose(chances[target][list(places)], 0.5, atol=1e-6)
        assert chances[target].sum() == pytest.approx(1)


def test_chances_of_a_series_longer_than_the_network_is_deep(series_of: Callable[..., Series], context: Any) -> None:
    config = CONFIG.model_copy(update={"depth": 6})
    study = Study(1, (series_of(20, SAGITTAL_T2),))  # 11 slices, of which the network sees 6
    (chances,) = find_chances([(config, Fixed([-20.0, 0.0, -20.0, -20.0, 0.0, -20.0]))], [study], CANAL, context)
    assert chances[0].shape == (11,)
    assert chances[0].sum() == pytest.approx(1)
    np.testing.assert_allclose(chances[0], chances[0][::-1], atol=1e-9)
    assert set(chances[0].argsort()[-2:]) == {2, 8}  # (1 + 0.5) * 11 / 6 - 0.5 = 2.25, and as far from the other end


def test_a_training_batch_holds_series_of_one_depth_so_that_none_is_padded(
    series_of: Callable[..., Series], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [9, 11, 9, 40, 11, 9, 32, 9, 9]  # what is longer than the network is deep is resampled to its 32
    blank = np.full(5, np.nan)
    stacks = [
        slice_stage.Stack(series_of(number, SAGITTAL_T2, count=count), False, blank, np.stack([blank, blank], axis=1))
        for number, count in enumerate(counts)
    ]
    config = CONFIG.model_copy(update={"schedule": CONFIG.schedule.model_copy(update={"batch_size": 2})})
    batches = slice_stage.StackBatches(stacks, config, context, seed=3, symmetric=False)
    monkeypatch.setattr(batches, "batch", lambda stacks, random: [stack.series.series_id for stack in stacks])

    seen = [[batch for batch, _ in batches.epoch(number)] for number in (0, 1, 0)]
    assert all(len(epoch) == len(batches) == 5 for epoch in seen)
    assert all(sorted(number for batch in epoch for number in batch) == list(range(9)) for epoch in seen)
    assert all(len({min(counts[number], 32) for number in batch}) == 1 for batch in seen[0] + seen[1])
    assert seen[0] == seen[2] != seen[1]


def test_a_point_that_a_change_moves_out_of_the_image_is_not_told(
    series_of: Callable[..., Series], monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    pixels = np.array([[40.0, 50.0], [2.0, 50.0]])  # of 80 x 100; the second lies at the edge
    stack = slice_stage.Stack(series_of(1, SAGITTAL_T2), False, np.array([3.0, 4.0]), pixels)
    config = CONFIG.model_copy(update={"change": ShiftScaleRotate(shift=0.0, scale=0.0, rotate=0.0)})
    batches = slice_stage.StackBatches([stack], config, context, seed=0, symmetric=False)
    moved = np.array([[0, 0, 8.0], [0, 0, 0]])
    monkeypatch.setattr(slice_stage, "shift_scale_rotate", lambda matrices, *_: matrices + moved)
    true = batches.batch([stack], np.random.default_rng(0)).points[0]
    np.testing.assert_allclose(true[:, 0], [(40 - 8 + 0.5) / 80, np.nan])
    np.testing.assert_allclose(true[:, 1], [50.5 / 100, np.nan])
    np.testing.assert_allclose(true[:, 2], [3.5 / 32, 4.5 / 32])


def test_without_the_series_or_a_network_there_are_no_chances(study: Study, context: Any) -> None:
    assert find_chances([(CONFIG, Fixed(peaks((3, 0.0))))], [Study(1, ())], CANAL, context) == [{}]
    assert find_chances([], [study], CANAL, context) == [{}]
