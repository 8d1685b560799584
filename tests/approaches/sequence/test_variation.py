from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.approaches.sequence.config import Training
from bench.approaches.sequence.model import cell_positions
from bench.approaches.sequence.scans import Scans
from bench.approaches.sequence.slice_choice import KINDS
from bench.approaches.sequence.variation import Batch, mirrored, out_of_order, vary
from bench.targets import AXIAL_T2, SAGITTAL_T2, TARGETS
from bench.training.augmentation import ShiftScaleRotate
from bench.training.augmentation.flips import OTHER_SIDE, Mirror
from bench.training.augmentation.recipe import Augmentation
from bench.training.loop import Schedule

SCHEDULE = Schedule(epochs=1, batch_size=2, learning_rate=1e-3)
SIZE = 32


def blob(maps: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """(B, S, H, W) images in which what lies near a place (3,) in the patient is bright."""
    positions = cell_positions(maps, SIZE, SIZE)
    near = torch.exp(-(positions - place).square().sum(dim=-1) / (2 * 6.0**2))
    return near.reshape(*maps.shape[:2], SIZE, SIZE)


def batch(place: tuple[float, float, float] = (8.0, 5.0, 10.0)) -> Batch:
    scans = {}
    for kind in KINDS:
        maps = torch.zeros(2, 5, 3, 3)
        if kind == AXIAL_T2:
            maps[:, :, 0, 0], maps[:, :, 1, 1] = 40.0, 40.0
            maps[:, :, 2, 2] = torch.tensor([20.0, 15, 10, 5, 0])
        else:
            maps[:, :, 1, 0], maps[:, :, 2, 1] = 40.0, -40.0
            maps[:, :, 0, 2] = torch.tensor([-8.0, -4, 0, 4, 8])
        present = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
        images = blob(maps, torch.tensor(place)) * present[..., None, None]
        scans[kind] = Scans(images, present, maps)
    grades = torch.arange(25).expand(2, 25).clone()
    points = torch.tensor(place).expand(2, 25, 3).clone()
    return Batch(scans, grades, points)


def brightest(scans: Scans, row: int = 0) -> torch.Tensor:
    """(3,) where the brightest pixel of a study lies in the patient."""
    positions = cell_positions(scans.maps, SIZE, SIZE)
    return positions[row, scans.images[row].flatten().argmax()]


def training(**options) -> Training:
    return Training(schedule=SCHEDULE, **options)


def test_without_any_change_nothing_changes() -> None:
    before = batch()
    after = vary(before, training(), np.random.default_rng(0))
    for kind in KINDS:
        assert torch.equal(after.scans[kind].images, before.scans[kind].images)
        assert torch.equal(after.scans[kind].maps, before.scans[kind].maps)


def test_positions_stay_true_when_a_scan_is_moved() -> None:
    affine = ShiftScaleRotate(shift=0.15, scale=0.2, rotate=20.0, probability=1.0)
    config = training(augmentation=Augmentation(affine=affine))
    for seed in range(5):
        after = vary(batch(), config, np.random.default_rng(seed))
        for kind in KINDS:
            assert not torch.equal(after.scans[kind].maps, batch().scans[kind].maps)
            offset = brightest(after.scans[kind]) - torch.tensor([8.0, 5.0, 10.0])
            assert offset.norm() < 3.0, (seed, kind, offset)  # a pixel is 2.5 mm


def test_one_scan_is_moved_as_a_whole_and_with_each_slice_by_itself() -> None:
    affine = ShiftScaleRotate(shift=0.2, scale=0.0, rotate=0.0, probability=1.0)
    recipe = Augmentation(affine=affine)

    def rows_of_peaks(config: Training) -> set[int]:
        scans = vary(batch(), config, np.random.default_rng(1)).scans[SAGITTAL_T2]
        return {int(image.argmax()) for image in scans.images[0]}

    assert len(rows_of_peaks(training(augmentation=recipe))) == 1
    assert len(rows_of_peaks(training(augmentation=recipe, each_slice=True))) > 1


def test_a_mirrored_patient_has_everything_on_the_other_side() -> None:
    after = mirrored(batch(), np.array([0]))
    assert after.grades[0].tolist() == OTHER_SIDE.tolist()
    assert after.grades[1].tolist() == list(range(25))
    assert after.points[0, 0].tolist() == [-8.0, 5.0, 10.0]
    for kind in KINDS:
        assert (brightest(after.scans[kind]) - torch.tensor([-8.0, 5.0, 10.0])).norm() < 3.0
        assert torch.equal(after.scans[kind].images[1], batch().scans[kind].images[1])


def test_slices_of_a_mirrored_scan_stay_from_right_to_left_with_padding_behind() -> None:
    after = mirrored(batch(), np.array([0, 1])).scans[SAGITTAL_T2]
    assert after.maps[0, :, 0, 2].tolist() == [-8, -4, 0, 4, 8]
    assert after.present[1].tolist() == [True, True, True, False, False]
    assert after.maps[1, :3, 0, 2].tolist() == [0, 4, 8]  # what was at 0, -4 and -8


def test_mirrored_twice_is_as_before() -> None:
    rows = np.array([0, 1])
    before, after = batch(), mirrored(mirrored(batch(), rows), rows)
    assert torch.equal(before.points, after.points)
    assert torch.equal(before.grades, after.grades)
    for kind in KINDS:
        for name in ("images", "present", "maps"):
            assert torch.equal(getattr(before.scans[kind], name), getattr(after.scans[kind], name)), (kind, name)


def test_the_mirror_is_drawn_per_study() -> None:
    seen = {
        tuple((vary(batch(), training(mirror=Mirror()), np.random.default_rng(seed)).points[:, 0, 0] < 0).tolist())
        for seed in range(20)
    }
    assert len(seen) == 4


def test_out_of_order_images_stand_at_each_others_places() -> None:
    scans = batch().scans[AXIAL_T2]
    after = out_of_order(scans, np.random.default_rng(3))
    assert torch.equal(after.maps, scans.maps)
    assert not torch.equal(after.images, scans.images)
    totals = [sorted(images.sum(dim=(1, 2)).tolist()) for images in (after.images[0], scans.images[0])]
    assert totals[0] == pytest.approx(totals[1])
    assert not after.images[1, 3:].any()


def test_every_target_has_its_other_side() -> None:
    assert [TARGETS[index].level for index in OTHER_SIDE] == [target.level for target in TARGETS]
