from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.approaches.multitask.classifier_config import Windows
from bench.approaches.multitask.crop_reader import Errors, StudyCropReader
from bench.data.keypoints import Keypoints
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2, indices
from bench.training.augmentation.flips import OTHER_SIDE
from bench.training.windows import Window

WINDOW = Window(reach=(20, 12, 16, 16), unit="mm", size=(16, 16))
CANAL, LEFT, RIGHT = indices("spinal")[1], indices("foraminal", "left")[1], indices("foraminal", "right")[1]
RECESS_LEFT, RECESS_RIGHT = indices("subarticular", "left")[1], indices("subarticular", "right")[1]
OWN = ("canal_sagittal", "foraminal_sagittal", "recess_axial")
PLACES = {CANAL: (10, 5, (40, 40)), RIGHT: (20, 2, (30, 50)), LEFT: (20, 8, (30, 60))}
PLACES |= {RECESS_RIGHT: (30, 4, (30, 50)), RECESS_LEFT: (30, 4, (50, 50))}


@pytest.fixture
def keypoints() -> Keypoints:
    points = Keypoints.none(1)
    for target, (series_id, index, pixel) in PLACES.items():
        points.set(0, target, series_id, index, pixel)
    return points


@pytest.fixture
def volumes() -> dict[int, np.ndarray]:
    """Noise, so that every place looks different."""
    random = np.random.default_rng(0)
    return {series_id: random.integers(0, 1000, size=(11, 100, 80)).astype(np.uint16) for series_id in (10, 20, 30)}


@pytest.fixture
def reader_of(three, context_of, volumes, resolved):
    def make(errors: Errors | None = None, sources=None, **changes) -> StudyCropReader:
        windows = Windows(**dict.fromkeys(Windows.model_fields, WINDOW))
        config = resolved().classifier.model_copy(update={"windows": windows, **changes})
        return StudyCropReader([three], config, context_of(volumes), errors=errors, sources=sources)

    return make


def crop(crops, stream: str, target: int) -> np.ndarray:
    """(3, H, W) the crop of a target."""
    row = crops.present[stream][0, :target].sum()
    assert crops.present[stream][0, target]
    return crops.images[stream][row].detach().numpy()


ROWS = np.array([0])


def test_only_targets_with_a_point_have_a_crop(reader_of, keypoints) -> None:
    crops = reader_of().read(ROWS, keypoints)
    assert set(np.flatnonzero(crops.own[0]).tolist()) == set(PLACES)
    assert {name: len(images) for name, images in crops.images.items()} == dict(zip(OWN, (1, 2, 2), strict=True))


def test_a_crop_shows_its_point_and_the_neighbouring_slices_in_millimetres(reader_of, keypoints, volumes) -> None:
    crops = reader_of().read(ROWS, keypoints)
    found = crop(crops, "canal_sagittal", CANAL)
    # 32 mm are 16 pixels of 2 mm; the window reaches 10 pixels to the left of the point and 8 above it.
    series = crops.read["canal_sagittal"]
    assert series.slices[0].tolist() == [4, 5, 6]
    np.testing.assert_allclose(found, window(volumes[10][4:7], 40, 40) / 1000, atol=1e-4)


def window(slices: np.ndarray, x: int, y: int) -> np.ndarray:
    """The window around the centre of a pixel: each output pixel lies between four source pixels, and is their mean."""
    block = slices[:, y - 8 : y + 9, x - 10 : x + 7].astype(float)
    return (block[:, :-1, :-1] + block[:, 1:, :-1] + block[:, :-1, 1:] + block[:, 1:, 1:]) / 4


def test_a_mirrored_left_crop_looks_as_a_right_one_would(reader_of, keypoints) -> None:
    plain, turned = (reader_of(mirror=on).read(ROWS, keypoints) for on in (False, True))
    np.testing.assert_array_equal(crop(plain, "foraminal_sagittal", RIGHT), crop(turned, "foraminal_sagittal", RIGHT))
    left = crop(plain, "foraminal_sagittal", LEFT)
    np.testing.assert_array_equal(left[::-1], crop(turned, "foraminal_sagittal", LEFT))
    np.testing.assert_allclose(
        crop(plain, "recess_axial", RECESS_LEFT)[:, :, ::-1], crop(turned, "recess_axial", RECESS_LEFT), atol=1e-5
    )


def test_a_mirrored_study_shows_each_target_the_other_side_flipped(reader_of, keypoints) -> None:
    reader = reader_of()
    plain = reader.read(ROWS, keypoints)
    turned = reader.read(ROWS, keypoints, mirrored=np.array([True]))
    for target in (RIGHT, LEFT):
        other = crop(plain, "foraminal_sagittal", int(OTHER_SIDE[target]))
        np.testing.assert_array_equal(crop(turned, "foraminal_sagittal", target), other[::-1])
    for target in (RECESS_LEFT, RECESS_RIGHT):
        other = crop(plain, "recess_axial", int(OTHER_SIDE[target]))
        np.testing.assert_allclose(crop(turned, "recess_axial", target), other[:, :, ::-1], atol=1e-5)


def test_context_crops_lie_at_the_recesses_of_the_level(reader_of, keypoints) -> None:
    crops = reader_of(axial_context=True).read(ROWS, keypoints)
    for side, recess in ((LEFT, RECESS_LEFT), (RIGHT, RECESS_RIGHT)):
        np.testing.assert_array_equal(crop(crops, "foraminal_axial", side), crop(crops, "recess_axial", recess))
    middle = crops.read["canal_axial"].matrices[0, :, 2]
    assert middle[0] == pytest.approx(40 - 2)  # midway, the window's centre 4 mm to the image's left of it
    keypoints.series[0, RECESS_RIGHT] = keypoints.slices[0, RECESS_RIGHT] = -1
    alone = reader_of(axial_context=True).read(ROWS, keypoints).read["canal_axial"]
    assert alone.matrices[0, 0, 2] == pytest.approx(50 - 2)


def test_points_and_slices_are_moved_by_the_measured_errors_in_training_alone(reader_of, keypoints, resolved) -> None:
    errors = Errors({AXIAL_T2: np.array([[6.0, -4.0]])}, {SAGITTAL_T1: (np.array([2]), np.array([1.0]))})
    augmentation = resolved().classifier.augmentation.model_copy(update={"mirror": None, "jitter": 0.5})
    reader = reader_of(errors, augmentation=augmentation)
    plain, moved = reader.read(ROWS, keypoints), reader.read(ROWS, keypoints, np.random.default_rng(0))
    difference = moved.read["recess_axial"].matrices - plain.read["recess_axial"].matrices
    np.testing.assert_allclose(difference[:, :, 2], [[1.5, -1.0]] * 2)  # half of 6 and -4 mm, in pixels of 2 mm
    assert moved.read["foraminal_sagittal"].slices[:, 1].tolist() == [10, 4]  # 8 and 2, left before right
    np.testing.assert_array_equal(moved.read["canal_sagittal"].slices, plain.read["canal_sagittal"].slices)


def test_what_is_made_of_a_crop_can_be_differentiated_by_its_point(reader_of, keypoints) -> None:
    reader = reader_of()
    shift = {name: torch.zeros(1, 25, 2, requires_grad=True) for name in OWN}
    crops = reader.read(ROWS, keypoints, shift=shift)
    plain = reader.read(ROWS, keypoints)
    for name in OWN:
        torch.testing.assert_close(crops.images[name].detach(), plain.images[name])
        crops.images[name].square().sum().backward(retain_graph=True)
        gradient = shift[name].grad[0].abs().sum(dim=1) > 0
        np.testing.assert_array_equal(gradient.numpy(), crops.present[name][0])
    # A step of the point changes the crop as the gradient says.
    gradient = shift["canal_sagittal"].grad[0, CANAL]
    keypoints.pixels[0, CANAL] += (1e-3, 0)
    after = reader.read(ROWS, keypoints).images["canal_sagittal"].square().sum()
    change = float(after - plain.images["canal_sagittal"].square().sum()) / 1e-3
    assert change == pytest.approx(float(gradient[0]), rel=0.05)


def test_a_study_without_any_point_has_no_crop(reader_of) -> None:
    crops = reader_of(axial_context=True).read(ROWS, Keypoints.none(1), np.random.default_rng(0))
    assert not crops.own.any()
    assert all(len(images) == 0 for images in crops.images.values())
    assert {stream.kind for stream in reader_of().streams} == {SAGITTAL_T2, SAGITTAL_T1, AXIAL_T2}
