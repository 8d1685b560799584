"""Stage 1a: how the networks' scores become slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.approaches.mil import slice_finder
from bench.approaches.mil.location_config import DepthNetwork
from bench.approaches.mil.slice_finder import SliceFinder
from bench.approaches.mil.structures import Structure, structures
from bench.imaging.study import Series, Study
from bench.targets import SAGITTAL_T1, SAGITTAL_T2, indices

CONFIG = DepthNetwork(pooling="slice", size=(64, 64), schedule={"epochs": 1, "batch_size": 1, "learning_rate": 1e-3})
CANAL, FORAMINA = structures(mirror=True).values()
SPINAL, LEFT, RIGHT = indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")


class InMemory(nn.Module):
    """Stands in for a network on the disk."""

    def load(self, device: str) -> InMemory:
        return self.to(device)


class Fixed(InMemory):
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


class Noisy(InMemory):
    """Looks at the whole volume as a GroupNorm does: padding would change what it says of every slice."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.weights = nn.Parameter(torch.randn(5, 8 * 8))

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.adaptive_avg_pool2d(images, 8).flatten(2)  # (B, D, 64)
        cells = (cells - cells.mean(dim=(1, 2), keepdim=True)) / (cells.std(dim=(1, 2), keepdim=True) + 1e-3)
        return self.weights @ cells.transpose(1, 2)


class RandomVolumes:
    """Pixels that depend on the series, which count how often each is read."""

    def __init__(self) -> None:
        self.reads: dict[int, int] = {}

    def array(self, series_id: int) -> np.ndarray:
        self.reads[series_id] = self.reads.get(series_id, 0) + 1
        return np.random.default_rng(series_id).integers(0, 255, (64, 100, 80), dtype=np.uint8)

    def window(self, series_id: int) -> np.ndarray:
        return np.tile(np.array([0.0, 255.0], np.float32), (64, 1))


@pytest.fixture
def studies(series_of: Callable[..., Series]) -> list[Study]:
    counts = [11, 9, 11, 40, 9, 11, 1]
    return [
        Study(number, (series_of(20 + number, SAGITTAL_T2, count=count), series_of(40 + number, SAGITTAL_T1, count=12)))
        for number, count in enumerate(counts)
    ]


@pytest.mark.parametrize("structure", [CANAL, FORAMINA], ids=lambda one: one.name)
def test_what_is_found_in_a_study_does_not_depend_on_the_others(
    studies: list[Study], structure: Structure, blank_context: Any
) -> None:
    blank_context.volumes = RandomVolumes()
    networks = [(CONFIG, Noisy(1)), (CONFIG, Noisy(2))]
    together = SliceFinder(structure, networks, blank_context, batch_size=3).probabilities(studies)
    for study, found in zip(studies, together, strict=True):
        (alone,) = SliceFinder(structure, networks, blank_context).probabilities([study])
        assert alone.keys() == found.keys()
        for target, probabilities in alone.items():
            np.testing.assert_allclose(found[target], probabilities, atol=1e-6)
    assert not np.allclose(together[0][structure.targets[0]][:5], together[2][structure.targets[0]][:5])


@pytest.mark.parametrize("structure", [CANAL, FORAMINA], ids=lambda one: one.name)
def test_a_series_is_read_once_for_all_networks_of_one_size(
    studies: list[Study], structure: Structure, blank_context: Any
) -> None:
    other = CONFIG.model_copy(update={"size": (64, 96)})
    blank_context.volumes = RandomVolumes()
    networks = [(CONFIG, Noisy(1)), (other, Noisy(2)), (CONFIG, Noisy(3))]
    SliceFinder(structure, networks, blank_context).slices(studies)
    assert set(blank_context.volumes.reads.values()) == {2}  # of two sizes
    assert len(blank_context.volumes.reads) == len(studies)


def test_few_images_are_kept_in_memory_at_a_time(
    studies: list[Study], blank_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_context.volumes = RandomVolumes()
    whole = SliceFinder(CANAL, [(CONFIG, Noisy(1))], blank_context, batch_size=1).slices(studies)
    monkeypatch.setattr(slice_finder, "BATCH_MB", 0)  # one batch at a time
    np.testing.assert_array_equal(
        SliceFinder(CANAL, [(CONFIG, Noisy(1))], blank_context, batch_size=1).slices(studies), whole
    )
