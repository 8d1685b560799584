from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.approaches.multitask.keypoint_stage import KeypointStatistics
from bench.approaches.multitask.localiser import Localiser
from bench.approaches.multitask.locator import KEYS
from bench.approaches.multitask.views import POINTS_PER_VIEW
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, TARGETS, indices

CANAL, LEFT, RIGHT = indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")
RECESS_LEFT, RECESS_RIGHT = indices("subarticular", "left"), indices("subarticular", "right")
SERIES = {SAGITTAL_T2: 10, SAGITTAL_T1: 20, AXIAL_T2: 30}


def choice(series_id: int, index: int) -> Any:
    return SimpleNamespace(series_id=series_id, index=index, probability=0.9)


class FixedSelector:
    """Slices as told; it remembers where the levels were said to lie."""

    def __init__(self, sagittal: dict, axial: dict) -> None:
        self.slices, self.levels = sagittal, axial
        self.positions: list[np.ndarray] = []

    def sagittal(self, studies, context):
        return [self.slices for _ in studies]

    def axial(self, studies, level_positions, context):
        self.positions.append(level_positions)
        return [self.levels for _ in studies]


class FixedPoints(nn.Module):
    """Finds level l at a height of (l + 1) / 6, the right recess at a quarter of the width and the left at three."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, list[torch.Tensor]] = {kind: [] for kind in KEYS}

    def forward(self, images):
        (kind,) = images
        self.seen[kind] += list(images[kind])
        count = len(images[kind])
        points = torch.full((count, POINTS_PER_VIEW[kind], 2), 0.5)
        if kind == AXIAL_T2:
            points[:, 0, 0], points[:, 1, 0] = 0.25, 0.75
        else:
            points[:, :, 1] = (torch.arange(5) + 1) / 6
        return {kind: points}


def selected() -> tuple[dict, dict]:
    slices = {(SAGITTAL_T2, None, level): choice(10, 5) for level in LEVELS}
    slices |= {(SAGITTAL_T1, "right", level): choice(20, 2) for level in LEVELS}
    slices |= {(SAGITTAL_T1, "left", level): choice(20, 8) for level in LEVELS}
    return slices, {(AXIAL_T2, None, level): choice(30, 2 * place) for place, level in enumerate(LEVELS)}


@pytest.fixture
def locate(three, context_of, resolved):
    def run(slices: dict, axial: dict, studies=None, trained=None, mirror: bool = True):
        keypoints = resolved().keypoints
        frames = keypoints.frames.model_copy(update={"crop": False})
        config = keypoints.model_copy(update={"frames": frames, "mirror": mirror})
        known = np.ones(25, dtype=bool) if trained is None else trained
        statistics = KeypointStatistics((0.0, 1.0, 0.0, 1.0), known, {})
        selector, network, notes = FixedSelector(slices, axial), FixedPoints(), []
        steps = np.arange(11, dtype=np.uint16)[:, None, None] * 90 + np.zeros((11, 100, 80), np.uint16)
        context = context_of(dict.fromkeys(SERIES.values(), steps))
        localiser = Localiser(selector, [network], statistics, config)  # type: ignore[list-item]
        found = localiser.locate(
            [three] if studies is None else studies, context, lambda study_id, text: notes.append(text)
        )
        return found, network, selector, notes

    return run


def test_every_point_lies_on_its_selected_slice(locate) -> None:
    found, _, _, notes = locate(*selected())
    assert found.known.all()
    assert found.series[0].tolist() == [10] * 5 + [20] * 10 + [30] * 10
    assert found.slices[0, list(CANAL)].tolist() == [5] * 5
    assert found.slices[0, list(RIGHT)].tolist() == [2] * 5
    assert found.slices[0, list(LEFT)].tolist() == [8] * 5
    assert (
        found.slices[0, list(RECESS_LEFT)].tolist() == found.slices[0, list(RECESS_RIGHT)].tolist() == [0, 2, 4, 6, 8]
    )
    assert not notes


def test_levels_run_from_head_to_foot_and_the_right_side_is_the_patient_s(locate, three) -> None:
    found, _, _, _ = locate(*selected())
    world = found.world([three])[0]
    assert (np.diff(world[list(CANAL), 2]) < 0).all()
    assert (world[list(RIGHT), 0] < world[list(LEFT), 0]).all()  # x grows towards the patient's left
    assert (world[list(RECESS_RIGHT), 0] < world[list(RECESS_LEFT), 0]).all()


def test_axial_slices_are_selected_by_where_the_levels_were_located(locate, three) -> None:
    found, _, selector, _ = locate(*selected())
    np.testing.assert_allclose(selector.positions[0][0], found.world([three])[0, list(CANAL)])


@pytest.mark.parametrize("mirror", [True, False])
def test_left_foramina_are_shown_in_reverse_where_sides_are_mirrored(locate, mirror: bool) -> None:
    _, network, _, _ = locate(*selected(), mirror=mirror)
    right, left = (image.mean(dim=(1, 2)) for image in network.seen[SAGITTAL_T1])
    assert (right.diff() > 0).all()
    assert ((left.diff() < 0) if mirror else (left.diff() > 0)).all()


def test_levels_on_several_slices_are_located_on_the_middle_one_and_keep_their_own(locate) -> None:
    slices, axial = selected()
    for place, level in enumerate(LEVELS):
        slices[SAGITTAL_T2, None, level] = choice(10, 3 + place)
    found, network, _, _ = locate(slices, axial)
    assert found.slices[0, list(CANAL)].tolist() == [3, 4, 5, 6, 7]
    assert float(network.seen[SAGITTAL_T2][0][1].mean() / network.seen[SAGITTAL_T2][0][0].mean()) == pytest.approx(
        5 / 4
    )


def test_what_was_not_selected_or_never_learnt_is_not_located(locate) -> None:
    slices, axial = selected()
    del slices[SAGITTAL_T2, None, LEVELS[1]], axial[AXIAL_T2, None, LEVELS[4]]
    trained = np.ones(25, dtype=bool)
    trained[LEFT[0]] = False
    found, _, _, notes = locate(slices, axial, trained=trained)
    missing = {CANAL[1], RECESS_LEFT[4], RECESS_RIGHT[4], LEFT[0]}
    assert set(np.flatnonzero(~found.known[0]).tolist()) == missing
    assert any(TARGETS[LEFT[0]].name in text and "not located" in text for text in notes)


def test_missing_series_and_crowded_levels_are_noted(locate, three) -> None:
    slices, _ = selected()
    bare = SimpleNamespace(
        study_id=1, series=three.of(SAGITTAL_T2), of=lambda kind: three.of(kind) if kind == SAGITTAL_T2 else (),
        axial_t2=(), get=three.get,
    )  # fmt: skip
    slices = {slot: one for slot, one in slices.items() if slot[0] == SAGITTAL_T2}
    _, _, _, notes = locate(slices, {}, studies=[bare])
    assert any(text.startswith(f"no {SAGITTAL_T1}") for text in notes)
    assert any(text.startswith(f"no {AXIAL_T2}") for text in notes)


def test_without_any_network_nothing_is_located(three, context_of, resolved) -> None:
    statistics = KeypointStatistics((0.0, 1.0, 0.0, 1.0), np.zeros(25, dtype=bool), {})
    notes: list[str] = []
    localiser = Localiser(FixedSelector(*selected()), [], statistics, resolved().keypoints)
    found = localiser.locate([three], context_of({}), lambda _, text: notes.append(text))
    assert not found.known.any()
    assert any("no training study has a point of" in text for text in notes)
