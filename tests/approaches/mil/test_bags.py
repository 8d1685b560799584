from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.approaches.mil.bags import STREAMS, bag_slices, collect, draw
from bench.approaches.mil.severity_config import Severity
from bench.data.keypoints import Keypoints
from bench.targets import AXIAL_T2, indices
from bench.training.augmentation import ShiftScaleRotate
from bench.training.crops import BLANK
from bench.training.loop import Schedule

LEFT, RIGHT = indices("subarticular", "left"), indices("subarticular", "right")
SCHEDULE = Schedule(epochs=1, batch_size=1, learning_rate=1e-3)
STILL = ShiftScaleRotate(probability=0.0)
ERRORS = [0.1, 0.2, 0.4, 0.2, 0.1]


def config(**changes: object) -> Severity:
    values = {"backbone": "test_resnet", "schedule": SCHEDULE, "affine": STILL, **changes}
    return Severity(**values)  # type: ignore[arg-type]


@pytest.fixture
def keypoints() -> Keypoints:
    """A canal point, both foramina and both recesses of L3/L4."""
    keypoints = Keypoints.none(1)
    keypoints.set(0, 2, 20, 5, (40, 50))
    keypoints.set(0, 7, 30, 8, (41, 51))
    keypoints.set(0, 12, 30, 2, (42, 52))
    keypoints.set(0, 17, 10, 20, (55, 45))
    keypoints.set(0, 22, 10, 21, (35, 45))
    return keypoints


def bags(study, keypoints, stream: str, **changes: object):
    return collect([study], keypoints, STREAMS[stream], config(**changes))


ROW = np.array([0])


def test_bags_lie_around_the_marked_slice_and_missing_ones_are_blank(study, keypoints) -> None:
    crops, marked = draw(bags(study, keypoints, "canal_sagittal"), ROW, config(), None, None)
    assert crops.series.tolist() == [BLANK, BLANK, 20, BLANK, BLANK]
    assert crops.slices[2].tolist() == [3, 4, 5, 6, 7]
    assert marked.tolist() == [-1, -1, 2, -1, -1]


def test_sides_stand_in_the_order_of_the_targets(study, keypoints) -> None:
    crops, _ = draw(bags(study, keypoints, "foraminal_sagittal"), ROW, config(), None, None)
    assert np.flatnonzero(crops.series != BLANK).tolist() == [2, 7]  # left L3/L4, right L3/L4
    assert crops.slices[2].tolist() == [6, 7, 8, 9, 10]
    assert crops.slices[7].tolist() == [0, 1, 2, 3, 4]


def test_mirrored_left_foramina_are_taken_in_reverse(study, keypoints) -> None:
    mirrored = config(mirror=True)
    of = bags(study, keypoints, "foraminal_sagittal", mirror=True)
    random = np.random.default_rng(0)
    for _ in range(20):
        crops, marked = draw(of, ROW, mirrored, ERRORS, random)
        assert crops.slices[2].tolist() == sorted(crops.slices[2].tolist(), reverse=True)
        assert crops.slices[7].tolist() == sorted(crops.slices[7].tolist())
        assert crops.slices[2][marked[2]] == 8
        assert crops.slices[7][marked[7]] == 2


def test_jitter_moves_by_pixels_of_the_512_frame(study, keypoints) -> None:
    of = bags(study, keypoints, "canal_sagittal")
    still, _ = draw(of, ROW, config(), None, None)
    random = np.random.default_rng(0)
    moved = [draw(of, ROW, config(jitter=10.0), None, random)[0].matrices[2, :, 2] for _ in range(300)]
    most = np.abs(np.array(moved) - still.matrices[2, :, 2]).max(axis=0)
    np.testing.assert_allclose(most, [10 * 80 / 512, 10 * 100 / 512], rtol=0.05)


def test_without_jitter_and_shifts_training_sees_what_prediction_sees(study, keypoints) -> None:
    quiet = config(jitter=0.0, shift_slices=False)
    of = bags(study, keypoints, "side_axial")
    seen, _ = draw(of, ROW, quiet, ERRORS, np.random.default_rng(0))
    still, _ = draw(of, ROW, quiet, ERRORS, None)
    np.testing.assert_array_equal(seen.slices, still.slices)
    np.testing.assert_allclose(seen.matrices, still.matrices)


def test_the_canal_s_axial_bag_lies_at_either_recess_in_training_and_midway_in_prediction(study, keypoints) -> None:
    quiet = config(jitter=0.0, shift_slices=False)
    of = bags(study, keypoints, "canal_axial")
    still, _ = draw(of, ROW, quiet, None, None)
    random = np.random.default_rng(0)
    seen = {float(draw(of, ROW, quiet, None, random)[0].matrices[2, 0, 2]) for _ in range(30)}
    frame = 90 / 512
    assert seen == {55 - 20 * frame, 35 + 20 * frame}
    assert still.matrices[2, 0, 2] == pytest.approx(45)


def test_one_recess_is_enough_for_the_canal_s_axial_bag(study) -> None:
    keypoints = Keypoints.none(1)
    keypoints.set(0, 22, 10, 21, (35, 45))
    crops, _ = draw(bags(study, keypoints, "canal_axial"), ROW, config(), None, np.random.default_rng(0))
    assert crops.series.tolist() == [BLANK, BLANK, 10, BLANK, BLANK]
    assert np.isfinite(crops.matrices).all()


@pytest.fixture
def apart() -> Keypoints:
    """Recesses of all levels marked on two slices each, two apart."""
    keypoints = Keypoints.none(1)
    for level in range(5):
        keypoints.set(0, LEFT[level], 10, 10 + 5 * level, (55, 45))
        keypoints.set(0, RIGHT[level], 10, 12 + 5 * level, (35, 45))
    return keypoints


def test_the_canal_s_axial_bag_has_the_slices_of_the_recess_that_it_is_cropped_at(study, apart) -> None:
    quiet = config(jitter=0.0, shift_slices=False)
    of = bags(study, apart, "canal_axial")
    random = np.random.default_rng(0)
    frame = 90 / 512
    seen = set()
    for _ in range(30):
        crops, marked = draw(of, ROW, quiet, None, random)
        assert marked.tolist() == [2] * 5
        seen |= {(float(x), int(row[2])) for x, row in zip(crops.matrices[:, 0, 2], crops.slices, strict=True)}
    left, right = 55 - 20 * frame, 35 + 20 * frame
    assert seen == {(x, first + 5 * level) for level in range(5) for x, first in ((left, 10), (right, 12))}
    still, _ = draw(of, ROW, quiet, None, None)
    assert still.slices[:, 2].tolist() == [11, 16, 21, 26, 31]  # midway


def test_a_recess_on_another_axial_series_is_no_alternative(study, series_of, apart) -> None:
    other = replace(study, series=(*study.series, series_of(11, AXIAL_T2, count=41, shape=(90, 90))))
    for level in range(5):
        apart.set(0, RIGHT[level], 11, 3, (35, 45))
    of = collect([other], apart, STREAMS["canal_axial"], config())
    for random in (None, np.random.default_rng(0)):
        crops, _ = draw(of, ROW, config(jitter=0.0, shift_slices=False), None, random)
        assert set(crops.series.tolist()) == {10}
        assert crops.slices[:, 2].tolist() == [10, 15, 20, 25, 30]


def test_a_side_at_random_is_drawn_a_level_and_does_not_depend_on_the_other_studies(study, series_of, apart) -> None:
    either = config(canal_side="random")
    studies = [
        replace(study, series=(series_of(10 * number, AXIAL_T2, count=41, shape=(90, 90)),)) for number in range(1, 41)
    ]
    keypoints = Keypoints.none(len(studies))
    for row in range(len(studies)):
        for level in range(5):
            keypoints.set(row, LEFT[level], 10 * (row + 1), 10 + 5 * level, (55, 45))
            keypoints.set(row, RIGHT[level], 10 * (row + 1), 12 + 5 * level, (35, 45))
    of = collect(studies, keypoints, STREAMS["canal_axial"], either)

    def on_the_right(rows: list[int]) -> np.ndarray:
        crops, _ = draw(of, np.array(rows), either, None, None)
        return (crops.slices[:, 2] - 10).reshape(len(rows), 5) - 5 * np.arange(5) == 2

    together = on_the_right(list(range(40)))
    assert 0.4 < together.mean() < 0.6
    assert ((together.sum(axis=1) > 0) & (together.sum(axis=1) < 5)).mean() > 0.8  # not all levels alike
    np.testing.assert_array_equal(together[[7]], on_the_right([7]))


@pytest.mark.parametrize("size", [0, 4, -1])
def test_a_bag_has_a_middle(size: int) -> None:
    with pytest.raises(ValueError, match="give an odd number"):
        config(bag=size)


def one_bag(centre: int, shift: int, length: int = 20, size: int = 5) -> tuple[list[int], int]:
    slices, place = bag_slices(np.array([centre]), np.array([shift]), np.array([length]), size)
    return slices[0].tolist(), int(place[0])


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_the_marked_slice_stands_where_it_is_said_to(shift: int) -> None:
    slices, place = one_bag(10, shift)
    assert slices == list(range(8 + shift, 13 + shift))
    assert place == 2 - shift  # shift on by one, the marked slice is one place before the middle
    assert slices[place] == 10


@pytest.mark.parametrize(("centre", "shift"), [(0, -2), (0, 0), (0, 2), (1, -1), (19, 2), (19, 0), (18, 1)])
def test_at_the_end_of_a_series_the_last_slice_is_repeated(centre: int, shift: int) -> None:
    slices, place = one_bag(centre, shift)
    assert len(slices) == 5
    assert min(slices) >= 0
    assert max(slices) <= 19
    assert slices == sorted(slices)
    assert slices[place] == centre


def test_a_series_of_one_slice() -> None:
    assert one_bag(0, 2, length=1) == ([0] * 5, 2)


def test_a_slice_outside_its_bag_is_nowhere() -> None:
    slices, place = one_bag(10, 2, size=3)
    assert slices == [11, 12, 13]
    assert place == -1
