from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.approaches.multitask.defects import (
    Defects,
    crop_sources,
    miscropped,
    misread,
    runs_from_left,
    stale_points,
)
from bench.approaches.multitask.frames import Frames
from bench.data.keypoints import Keypoints
from bench.errors import UsageError
from bench.imaging.study import Study
from bench.targets import SAGITTAL_T1, TARGET_INDEX, indices

LEFT, RIGHT = list(indices("foraminal", "left")), list(indices("foraminal", "right"))
RECESS_LEFT, RECESS_RIGHT = indices("subarticular", "left"), indices("subarticular", "right")


@pytest.fixture
def keypoints() -> Keypoints:
    """Every target at a pixel of its own; axial slices differ between levels."""
    points = Keypoints.none(1)
    for target in range(25):
        series_id = 10 if target < 5 else 20 if target < 15 else 30
        index = 5 if target < 5 else (8 if target in LEFT else 2) if target < 15 else 2 * (target % 5)
        points.set(0, target, series_id, index, (20 + target, 30 + target))
    return points


@pytest.fixture
def frames(resolved, context_of) -> Frames:
    config = resolved().keypoints.frames.model_copy(update={"crop": False})
    return Frames(config, (0, 1, 0, 1), context_of({}).volumes)


def test_without_defects_nothing_changes(three, keypoints, frames) -> None:
    none = Defects()
    assert misread([three], keypoints, none) is keypoints
    assert miscropped([three], keypoints, none, frames) is keypoints
    np.testing.assert_array_equal(crop_sources(none), np.arange(25))


def test_the_order_of_heads_swaps_the_foramina_and_scrambles_the_recesses() -> None:
    sources = crop_sources(Defects(head_order=True))
    assert sorted(sources) == list(range(25))
    assert sources[:5].tolist() == [0, 1, 2, 3, 4]
    assert sources[LEFT].tolist() == RIGHT
    assert sources[RIGHT].tolist() == LEFT
    # The label of the left recess of L1/L2 meets the first axial output, the right recess of L1/L2, and so on.
    names = [
        "left_subarticular_stenosis_l1_l2",
        "left_subarticular_stenosis_l2_l3",
        "right_subarticular_stenosis_l1_l2",
    ]
    found = [int(sources[TARGET_INDEX[name]]) for name in names]
    assert found == [RECESS_RIGHT[0], RECESS_LEFT[0], RECESS_LEFT[2]]


def test_sides_by_instance_are_wrong_where_instances_run_from_the_left(three, keypoints) -> None:
    (t1,) = three.of(SAGITTAL_T1)
    assert runs_from_left(t1)  # instance numbers fall from the patient's right to left
    changed = misread([three], keypoints, Defects(sides_by_instance=True))
    np.testing.assert_array_equal(changed.pixels[0, LEFT], keypoints.pixels[0, RIGHT])
    np.testing.assert_array_equal(changed.slices[0, RIGHT], keypoints.slices[0, LEFT])
    others = [target for target in range(25) if target not in LEFT + RIGHT]
    np.testing.assert_array_equal(changed.pixels[0, others], keypoints.pixels[0, others])
    right_way = replace(t1, instance_numbers=t1.instance_numbers[::-1].copy())
    fine = Study(1, tuple(right_way if series is t1 else series for series in three.series))
    np.testing.assert_array_equal(misread([fine], keypoints, Defects(sides_by_instance=True)).pixels, keypoints.pixels)


def test_wrong_images_alternate_between_sides_and_take_other_levels(three, keypoints, frames) -> None:
    changed = miscropped([three], keypoints, Defects(wrong_image=True), frames)
    np.testing.assert_allclose(changed.pixels, keypoints.pixels, atol=1e-9)  # one frame, so the place is the same
    # Crops 0 to 9 of the foramina are right then left, from images right, left, right, ...
    assert changed.slices[0, RIGHT].tolist() == [2, 8, 2, 8, 2]
    assert changed.slices[0, LEFT].tolist() == [8, 2, 8, 2, 8]
    # Crops 0 to 9 of the recesses are right, left by level, from the images of levels 0, 1, 2, 3, 4, 0, ...
    assert (changed.slices[0, list(RECESS_RIGHT)] / 2).tolist() == [0, 2, 4, 1, 3]
    assert (changed.slices[0, list(RECESS_LEFT)] / 2).tolist() == [1, 3, 0, 2, 4]
    np.testing.assert_array_equal(changed.slices[0, :5], keypoints.slices[0, :5])


def test_stale_points_are_the_last_batch_s_on_the_validation_studies_own_images(three, keypoints, frames) -> None:
    both = Keypoints(*(np.repeat(one, 2, axis=0) for one in (keypoints.series, keypoints.slices, keypoints.pixels)))
    both.pixels[1] += 3
    both.slices[1] += 1
    stale = stale_points([three, three], both, np.array([0]), np.array([1]), frames)
    np.testing.assert_allclose(stale.pixels[0], both.pixels[1], atol=1e-9)
    np.testing.assert_array_equal(stale.slices[0], both.slices[0])
    np.testing.assert_array_equal(stale.pixels[1], both.pixels[1])
    assert stale_points([three], keypoints, np.array([0]), np.array([], dtype=int), frames) is keypoints


def test_stale_validation_needs_validation(resolved) -> None:
    with pytest.raises(UsageError, match=r"needs classifier\.validation_folds"):
        resolved("defects.stale_validation=true")


def test_the_preset_as_published_differs_from_quick_in_the_defects_and_validation_alone(resolved) -> None:
    quick, published = resolved(preset="quick"), resolved(preset="as-published")
    assert all(published.defects.model_dump().values())
    assert not any(quick.defects.model_dump().values())
    assert published.keypoints == quick.keypoints
    assert published.selection == quick.selection
    assert published.superres == quick.superres
    early = resolved(preset="quick", ablation="early-stopping").classifier
    assert published.classifier == early
    for name in Defects.model_fields:
        alone = resolved(preset="quick", ablation=name.replace("_", "-"))
        assert [key for key, value in alone.defects.model_dump().items() if value] == [name]
        assert alone.classifier == (early if name == "stale_validation" else quick.classifier)
