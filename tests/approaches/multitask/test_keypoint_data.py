from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.approaches.multitask.frames import Frames
from bench.approaches.multitask.keypoint_config import KeypointAugmentation
from bench.approaches.multitask.keypoint_data import KeypointBatches
from bench.approaches.multitask.views import VIEWS, marked_views, trained_targets
from bench.data.keypoints import Keypoints
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, indices
from bench.training.augmentation import ShiftScaleRotate
from bench.training.augmentation.distortion import ElasticDistortion
from bench.training.augmentation.recipe import Augmentation, Distortion

LEFT, RIGHT = indices("foraminal", "left"), indices("foraminal", "right")
RECESS_LEFT, RECESS_RIGHT = indices("subarticular", "left"), indices("subarticular", "right")


def complete() -> Keypoints:
    """All 25 points of one study, far apart from each other on slices of 80 x 100 pixels."""
    keypoints = Keypoints.none(1)
    for level in range(len(LEVELS)):
        y = 20.0 + 15 * level
        keypoints.set(0, indices("spinal")[level], 10, 5, (40, y))
        keypoints.set(0, RIGHT[level], 20, 2, (42, y))
        keypoints.set(0, LEFT[level], 20, 8, (38, y))
        keypoints.set(0, RECESS_RIGHT[level], 30, 2 * level, (32, 50))
        keypoints.set(0, RECESS_LEFT[level], 30, 2 * level, (50, 54))
    return keypoints


def dots(keypoints: Keypoints) -> dict[int, np.ndarray]:
    """Volumes that are bright around each point, on its slice alone."""
    volumes = {series_id: np.zeros((11, 100, 80), np.uint16) for series_id in (10, 20, 30)}
    for target in np.flatnonzero(keypoints.known[0]):
        x, y = keypoints.pixels[0, target].astype(int)
        volumes[int(keypoints.series[0, target])][keypoints.slices[0, target], y - 1 : y + 2, x - 1 : x + 2] = 1000
    return volumes


@pytest.fixture
def batches(three, context_of, resolved):
    def make(keypoints: Keypoints, **changes) -> KeypointBatches:
        config = resolved().keypoints
        network = config.network.model_copy(update={"sagittal_size": (100, 80), "axial_size": (100, 80)})
        augmentation = KeypointAugmentation(**changes)
        frames = config.frames.model_copy(update={"crop": False})
        config = config.model_copy(update={"network": network, "augmentation": augmentation, "frames": frames})
        context = context_of(dots(complete()))
        return KeypointBatches([three], keypoints, Frames(frames, (0, 1, 0, 1), context.volumes), config, context, 3)

    return make


def brightness_at(images: torch.Tensor, points: torch.Tensor) -> list[float]:
    """The middle slice's value at each point that is seen."""
    found = []
    for image, row in zip(images, points, strict=True):
        for x, y in row:
            if torch.isfinite(x):
                found.append(float(image[1, min(int(y * 100), 99), min(int(x * 80), 79)]))
    return found


def test_a_study_has_eight_images_and_every_point_lies_on_its_own(three) -> None:
    views = marked_views(three, complete(), 0)
    assert [one.view for one in views] == list(range(8))
    assert [VIEWS[one.view].kind for one in views] == [SAGITTAL_T2, SAGITTAL_T1, SAGITTAL_T1, *[AXIAL_T2] * 5]
    assert sum(np.isfinite(one.pixels).all(axis=1).sum() for one in views) == 25
    assert views[1].candidates.tolist() == [2]  # the right foramina: a smaller index lies farther to the right
    assert views[2].candidates.tolist() == [8]


STRONG = ShiftScaleRotate(shift=0.1, scale=0.1, rotate=20, probability=1)
RECIPE = Augmentation(
    affine=ShiftScaleRotate(shift=0.05, scale=0.05, rotate=10, probability=1),
    distortion=Distortion(probability=1, elastic=ElasticDistortion()),
)


@pytest.mark.parametrize(
    "changes", [{}, {"flip": 1.0}, {"affine": STRONG}, {"affine": STRONG, "flip": 0.5}, {"recipe": RECIPE}]
)
def test_points_move_with_their_images(batches, changes) -> None:
    made = batches(complete(), **changes)
    for number in range(1, 6):
        (batch, count), *_ = made.epoch(number)
        assert count == 8
        assert batch.present.all()
        for kind, images in batch.images.items():
            values = brightness_at(images, batch.points[kind])
            assert len(values) >= (5 if kind == AXIAL_T2 else 3)
            assert min(values) > 0.3, kind


def test_a_mirrored_axial_image_has_its_right_and_left_recess_exchanged(batches) -> None:
    (plain, _), *_ = batches(complete()).epoch(1)
    (turned, _), *_ = batches(complete(), flip=1.0).epoch(1)
    right, left = plain.points[AXIAL_T2][0]
    mirrored_right, mirrored_left = turned.points[AXIAL_T2][0]
    assert right[0] < left[0]  # the patient's right is on the image's left
    assert mirrored_right[0] < mirrored_left[0]
    torch.testing.assert_close(mirrored_right, torch.tensor([1 - left[0], left[1]]))


def test_missing_images_and_points_are_masked(batches) -> None:
    keypoints = complete()
    for target in (*LEFT, RECESS_LEFT[0], RECESS_RIGHT[0], RECESS_LEFT[1], indices("spinal")[4]):
        keypoints.series[0, target] = keypoints.slices[0, target] = -1
        keypoints.pixels[0, target] = np.nan
    (batch, count), *_ = batches(keypoints).epoch(1)
    assert batch.present[0].tolist() == [True, True, False, False, True, True, True, True]
    assert count == 6
    assert torch.isnan(batch.points[SAGITTAL_T2][0]).any(dim=1).tolist() == [False] * 4 + [True]
    assert torch.isnan(batch.points[AXIAL_T2][0]).any(dim=1).tolist() == [False, True]  # level 2: no left recess


def test_the_same_epoch_gives_the_same_batch(batches) -> None:
    made = batches(complete(), affine=STRONG, flip=0.5, slice_shift=0.5)
    (first, _), (again, _), (other, _) = (next(made.epoch(number)) for number in (1, 1, 2))
    for kind in first.images:
        assert torch.equal(first.images[kind], again.images[kind])
    assert any(not torch.equal(first.images[kind], other.images[kind]) for kind in first.images)


def test_both_foramina_of_a_level_and_all_recesses_of_a_side_are_learnt_together() -> None:
    keypoints = Keypoints.none(1)
    keypoints.set(0, LEFT[2], 20, 8, (1, 1))
    keypoints.set(0, RECESS_RIGHT[4], 30, 8, (1, 1))
    known = set(np.flatnonzero(trained_targets(keypoints)).tolist())
    assert known == {LEFT[2], RIGHT[2], *RECESS_RIGHT}
