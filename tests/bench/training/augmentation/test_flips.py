from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.errors import UsageError
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2, TARGET_NAMES
from bench.training.augmentation.flips import OTHER_SIDE, Mirror, StudyBatch, mirror

ALWAYS = Mirror(probability=1.0)


def batch(count: int = 4) -> StudyBatch:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(count, 25, 2, generator=generator)
    points[0, 17] = torch.nan
    return StudyBatch(
        images={
            SAGITTAL_T2: torch.rand(count, 10, 8, 6, generator=generator),
            SAGITTAL_T1: torch.rand(count, 2, 3, 8, 6, generator=generator),  # right and left, each with neighbours
            AXIAL_T2: torch.rand(count, 5, 3, 8, 6, generator=generator),
        },
        points=points,
        grades=torch.randint(-1, 3, (count, 25), generator=generator),
        masks={SAGITTAL_T2: torch.arange(10).expand(count, 10) < 7, AXIAL_T2: torch.arange(5).expand(count, 5) < 3},
    )


def flipped(study: StudyBatch, flip: Mirror = ALWAYS, seed: int = 0) -> StudyBatch:
    return mirror(study, flip, np.random.default_rng(seed))


def test_the_other_side_of_every_target_by_name() -> None:
    swap = {"left": "right", "right": "left"}
    for name, other in zip(TARGET_NAMES, OTHER_SIDE, strict=True):
        side, _, rest = name.partition("_")
        assert TARGET_NAMES[other] == (f"{swap[side]}_{rest}" if side in swap else name)


def test_labels_and_points_change_sides() -> None:
    study = batch()
    result = flipped(study)
    left, right = (
        TARGET_NAMES.index("left_subarticular_stenosis_l4_l5"),
        TARGET_NAMES.index("right_subarticular_stenosis_l4_l5"),
    )
    foramen_left = TARGET_NAMES.index("left_neural_foraminal_narrowing_l1_l2")
    foramen_right = TARGET_NAMES.index("right_neural_foraminal_narrowing_l1_l2")
    assert torch.equal(result.grades[:, left], study.grades[:, right])
    assert torch.equal(result.grades[:, foramen_right], study.grades[:, foramen_left])
    assert torch.equal(result.grades[:, :5], study.grades[:, :5])
    assert torch.equal(result.points[:, :5], study.points[:, :5])
    assert torch.equal(
        result.points[:, foramen_left], study.points[:, foramen_right]
    )  # a sagittal picture stays as it is
    assert torch.equal(result.points[:, left, 0], 1 - study.points[:, right, 0])
    assert torch.equal(result.points[:, left, 1], study.points[:, right, 1])
    assert result.points[0, 22].isnan().all()


def test_slices_are_reversed_and_axial_pictures_turned() -> None:
    study = batch()
    result = flipped(study)
    assert torch.equal(result.images[SAGITTAL_T2][:, 0], study.images[SAGITTAL_T2][:, 9])
    assert torch.equal(result.images[SAGITTAL_T1][:, 0, 0], study.images[SAGITTAL_T1][:, 1, 2])
    assert torch.equal(result.images[AXIAL_T2][:, 1, 2, :, 0], study.images[AXIAL_T2][:, 1, 2, :, 5])
    assert torch.equal(result.masks[SAGITTAL_T2][:, 3:], torch.ones(4, 7, dtype=torch.bool))
    assert not result.masks[SAGITTAL_T2][:, :3].any()
    assert torch.equal(result.masks[AXIAL_T2], study.masks[AXIAL_T2])


def test_a_bright_recess_keeps_its_point_and_changes_its_label() -> None:
    left, right = 15, 20
    image, points = torch.zeros(1, 5, 1, 40, 50), torch.full((1, 25, 2), torch.nan)
    grades = torch.full((1, 25), -1)
    image[0, 0, 0, 12, 33] = 1  # the patient's left is on the picture's right
    points[0, left] = torch.tensor([33.5 / 50, 12.5 / 40])
    grades[0, left] = 2
    result = flipped(StudyBatch({AXIAL_T2: image}, points, grades))
    assert grades[0, right] == -1  # the batch itself is left alone
    assert (int(result.grades[0, right]), int(result.grades[0, left])) == (2, -1)
    x, y = (result.points[0, right] * torch.tensor([50, 40])).floor().int().tolist()
    assert result.images[AXIAL_T2][0, 0, 0, y, x] == 1
    assert result.points[0, left].isnan().all()


def test_twice_is_the_identity() -> None:
    study = batch()
    twice = flipped(flipped(study))
    for kind, images in study.images.items():
        assert torch.equal(twice.images[kind], images)
    assert torch.equal(twice.grades, study.grades)
    assert all(torch.equal(twice.masks[kind], mask) for kind, mask in study.masks.items())
    torch.testing.assert_close(twice.points, study.points, equal_nan=True)


def test_a_study_is_mirrored_as_a_whole_or_not_at_all() -> None:
    study = batch(60)
    result = flipped(study, Mirror(probability=0.5))
    changed = [(result.images[kind] != images).flatten(1).any(dim=1) for kind, images in study.images.items()]
    changed.append((result.points.nan_to_num() != study.points.nan_to_num()).flatten(1).any(dim=1))
    assert all(torch.equal(changed[0], other) for other in changed)
    assert 0.3 < changed[0].float().mean() < 0.7
    assert torch.equal(result.grades[~changed[0]], study.grades[~changed[0]])


def test_probability_zero_gives_back_the_batch() -> None:
    study = batch()
    assert flipped(study, Mirror(probability=0.0)) is study


def test_an_unknown_kind_of_series_is_an_error() -> None:
    with pytest.raises(UsageError, match="Did you mean 'Axial T2'"):
        flipped(StudyBatch({"Axial T1": torch.zeros(1, 1, 2, 2)}))
