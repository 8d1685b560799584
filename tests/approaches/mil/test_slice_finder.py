"""Stage 1a: how the networks' scores become slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.approaches.mil.location_config import DepthNetwork
from bench.approaches.mil.slice_finder import SliceFinder
from bench.approaches.mil.structures import Structure, structures
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T2, indices

CONFIG = DepthNetwork(pooling="slice", size=(64, 64), schedule={"epochs": 1, "batch_size": 1, "learning_rate": 1e-3})
CANAL, FORAMINA = structures(mirror=True).values()
SPINAL, LEFT, RIGHT = indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")


class Fixed(nn.Module):
    """Scores that depend on the place in the stack alone: the same for every point."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, images: Tensor) -> Tensor:
        return self.scores[: images.shape[1]].expand(len(images), 5, -1).clone()


def finder(structure: Structure, context: Any, *scores: list[float], config: DepthNetwork = CONFIG) -> SliceFinder:
    return SliceFinder(structure, [(config, Fixed(one)) for one in scores], context)


def peaks(*places: tuple[int, float]) -> list[float]:
    scores = [-20.0] * 11
    for place, score in places:
        scores[place] = score
    return scores


def test_the_canal_is_seen_in_either_order_and_the_scores_are_averaged(study: Study, blank_context: Any) -> None:
    # Seen one way slice 2 of 11 wins, seen the other way slice 8; 5 is nobody's first choice, but both ways' second.
    slices = finder(CANAL, blank_context, peaks((2, 3.0), (5, 2.5))).slices([study])
    assert (slices[0, list(SPINAL)] == 5).all()


def test_left_foramina_are_counted_from_the_other_end(study: Study, blank_context: Any) -> None:
    slices = finder(FORAMINA, blank_context, peaks((3, 0.0))).slices([study])[0]
    assert (slices[list(RIGHT)] == 3).all()
    assert (slices[list(LEFT)] == 7).all()
    assert np.isnan(slices[list(SPINAL)]).all()


def test_probabilities_are_the_mean_of_all_networks_in_anatomical_order(study: Study, blank_context: Any) -> None:
    (probabilities,) = finder(FORAMINA, blank_context, peaks((3, 0.0)), peaks((1, 0.0))).probabilities([study])
    assert sorted(probabilities) == list(indices("foraminal"))
    for target, places in ((LEFT[0], (7, 9)), (RIGHT[0], (3, 1))):
        np.testing.assert_allclose(probabilities[target][list(places)], 0.5, atol=1e-6)
        assert probabilities[target].sum() == pytest.approx(1)


def test_probabilities_of_a_series_longer_than_the_network_is_deep(
    series_of: Callable[..., Series], blank_context: Any
) -> None:
    config = CONFIG.model_copy(update={"depth": 6})
    study = Study(1, (series_of(20, SAGITTAL_T2),))  # 11 slices, of which the network sees 6
    shallow = finder(CANAL, blank_context, [-20.0, 0.0, -20.0, -20.0, 0.0, -20.0], config=config)
    (probabilities,) = shallow.probabilities([study])
    assert probabilities[0].shape == (11,)
    assert probabilities[0].sum() == pytest.approx(1)
    np.testing.assert_allclose(probabilities[0], probabilities[0][::-1], atol=1e-7)
    assert set(probabilities[0].argsort()[-2:]) == {2, 8}  # (1 + 0.5) * 11 / 6 - 0.5 = 2.25, and from the other end


def test_without_the_series_or_a_network_there_are_no_probabilities(study: Study, blank_context: Any) -> None:
    assert finder(CANAL, blank_context, peaks((3, 0.0))).probabilities([Study(1, ())]) == [{}]
    assert finder(CANAL, blank_context).probabilities([study]) == [{}]
    assert np.isnan(finder(CANAL, blank_context).slices([study])).all()
