"""Stages 1b and 1c: which slices a network is shown."""

from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.mil.location_config import Location
from bench.approaches.mil.location_networks import LocationNetworks
from bench.approaches.mil.point_stage import marked_axial_slices, marked_sagittal_slices
from bench.approaches.mil.structures import structures
from bench.data.keypoints import Keypoints
from bench.targets import indices

LEFT, RIGHT = indices("foraminal", "left"), indices("foraminal", "right")


@pytest.mark.parametrize(("mirror", "reversed_sides"), [(True, {"left"}), (False, set())])
def test_mirrored_a_left_foramen_is_shown_as_a_right_one(study, mirror: bool, reversed_sides: set[str]) -> None:
    foramina = structures(mirror)["foramina"]
    keypoints = Keypoints.none(1)
    keypoints.set(0, LEFT[2], 30, 8, (41, 51))
    keypoints.set(0, RIGHT[2], 30, 2, (42, 52))
    outputs = [0, 0] if mirror else [0, 5]
    slices = marked_sagittal_slices([study], keypoints, foramina, outputs)
    named = {("left" if one.candidates.tolist() == [8] else "right"): one for one in slices}
    assert {name for name, one in named.items() if one.reverse} == reversed_sides
    assert {name: one.output for name, one in named.items()} == {"left": outputs[0], "right": outputs[1]}
    assert {target for side in foramina.sides for target in side.targets} == set(indices("foraminal"))
    assert all(not side.reverse for side in structures(mirror)["canal"].sides)


def test_recesses_of_a_level_come_together_with_both_slices_to_choose_from(study) -> None:
    keypoints = Keypoints.none(1)
    keypoints.set(0, indices("subarticular", "left")[3], 10, 20, (55, 45))
    keypoints.set(0, indices("subarticular", "right")[3], 10, 21, (35, 45))
    (one,) = marked_axial_slices([study], keypoints)
    assert one.candidates.tolist() == [20, 21]
    np.testing.assert_array_equal(one.pixels, [[55, 45], [35, 45]])


POINTS = {"backbone": "test_resnet", "schedule": {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3}}
DEPTH = {"schedule": POINTS["schedule"]}


@pytest.mark.parametrize(
    ("joint", "mirror", "expected", "count"),
    [
        (True, True, {"canal": [0], "foramina": [5, 5]}, 10),
        (True, False, {"canal": [0], "foramina": [5, 10]}, 15),
        (False, False, {"foramina": [0, 5]}, 10),
    ],
)
def test_every_side_has_its_outputs(joint: bool, mirror: bool, expected: dict, count: int) -> None:
    config = {"joint": joint, "mirror": mirror, "depth": DEPTH, "sagittal": POINTS, "axial": POINTS}
    networks = LocationNetworks(Location.model_validate(config))
    part = networks.point_part("foramina")
    assert networks.first_outputs(part) == expected
    assert networks.points(part) == count
