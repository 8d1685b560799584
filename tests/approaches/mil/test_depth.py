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

from bench.approaches.mil import depth
from bench.approaches.mil.config import DepthNetwork
from bench.approaches.mil.depth import find_slices, tasks
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T1, SAGITTAL_T2

CONFIG = DepthNetwork(pooling="slice", size=(64, 64), schedule={"epochs": 1, "batch_size": 1, "learning_rate": 1e-3})
CANAL, FORAMINA = tasks(mirror=True)


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
            self.config = config

        def read(self, stacks: list[depth.Stack]) -> Tensor:
            return torch.zeros(1, min(len(stacks[0].series), self.config.depth), 64, 64)

    monkeypatch.setattr(depth, "StackReader", Blank)
    return SimpleNamespace(device="cpu")


def found(
    study: Study, task: depth.Task, scores: list[float], context: Any, midline: float | None = None
) -> np.ndarray:
    midlines = None if midline is None else np.array([midline])
    return find_slices([(CONFIG, Fixed(scores))], [study], task, context, midlines)[0]


def peaks(*places: tuple[int, float]) -> list[float]:
    scores = [-20.0] * 11
    for place, score in places:
        scores[place] = score
    return scores


def test_the_canal_is_seen_in_either_order_and_the_scores_are_averaged(study: Study, context: Any) -> None:
    # Seen one way slice 2 of 11 wins, seen the other way slice 8; 5 is nobody's first choice, but both ways' second.
    assert (found(study, CANAL, peaks((2, 3.0), (5, 2.5)), context)[:5] == 5).all()


def test_foramina_are_looked_for_on_their_own_side_of_the_canal(study: Study, context: Any) -> None:
    # The likeliest slice lies across the middle for both views: 8 from the right for the right side.
    scores = peaks((8, 3.0), (3, 0.0))
    without = found(study, FORAMINA, scores, context)
    assert (without[10:15] == 8).all()
    assert (without[5:10] == 2).all()
    beside = found(study, FORAMINA, scores, context, midline=0.0)
    assert (beside[10:15] == 3).all()
    assert (beside[5:10] == 7).all()


def test_the_middle_of_the_series_stands_in_for_an_unknown_canal(study: Study, context: Any) -> None:
    scores = peaks((8, 3.0), (3, 0.0))
    assert (found(study, FORAMINA, scores, context, midline=float("nan"))[10:15] == 3).all()


def test_a_series_on_one_side_alone_is_searched_whole(series_of: Callable[..., Series], context: Any) -> None:
    study = Study(1, (series_of(30, SAGITTAL_T1), series_of(20, SAGITTAL_T2)))
    # The canal is said to lie beyond the leftmost slice (20 mm): no slice is left of it.
    result = found(study, FORAMINA, peaks((8, 3.0)), context, midline=40.0)
    assert (result[5:10] == 2).all()
