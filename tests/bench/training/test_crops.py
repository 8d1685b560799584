from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.training.crops import BLANK, CropReader, Crops


def plain_map(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The map that shows the source between these pixel edges."""
    half = np.array([right - left, bottom - top]) / 2
    centre = np.array([left + right, top + bottom]) / 2 - 0.5
    return np.array([[half[0], 0, centre[0]], [0, half[1], centre[1]]])


def crops_of(matrix: np.ndarray, slices: list[int], series: int = 7) -> Crops:
    return Crops(np.array([series]), np.array([slices]), matrix[None])


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, size=(6, 40, 60)).astype(np.uint16)


def test_a_crop_of_the_source_s_own_size_gives_its_pixels(memory_volumes, volume) -> None:
    reader = CropReader(memory_volumes({7: volume}), (10, 20))
    images = reader.read(crops_of(plain_map(5, 8, 25, 18), [1, 2, 3]))
    assert images.shape == (1, 3, 10, 20)
    np.testing.assert_allclose(images[0].numpy(), volume[1:4, 8:18, 5:25] / 1000, atol=1e-4)


def test_slices_come_in_the_order_asked_for_and_blank_ones_are_zero(memory_volumes, volume) -> None:
    reader = CropReader(memory_volumes({7: volume}), (10, 20))
    images = reader.read(crops_of(plain_map(5, 8, 25, 18), [4, 1, 1, BLANK]))
    for place, index in enumerate((4, 1, 1)):
        np.testing.assert_allclose(images[0, place].numpy(), volume[index, 8:18, 5:25] / 1000, atol=1e-4)
    assert not images[0, 3].any()


def test_a_blank_crop_among_others_is_zero(memory_volumes, volume) -> None:
    one = crops_of(plain_map(5, 8, 25, 18), [1, 2])
    blank = crops_of(np.zeros((2, 3)), [0, 1], series=BLANK)
    images = CropReader(memory_volumes({7: volume}), (10, 20)).read(Crops.join([blank, one]))
    assert not images[0].any()
    assert images[1].any()


def test_outside_the_image_is_zero(memory_volumes, volume) -> None:
    reader = CropReader(memory_volumes({7: volume}), (10, 20))
    images = reader.read(crops_of(plain_map(50, 35, 70, 45), [0]))[0, 0].numpy()
    np.testing.assert_allclose(images[:5, :10], volume[0, 35:40, 50:60] / 1000, atol=1e-4)
    assert not images[5:].any()
    assert not images[:, 10:].any()
    assert not reader.read(crops_of(plain_map(200, 200, 220, 210), [0])).any()


def test_a_much_finer_source_is_averaged_over_areas(memory_volumes, volume) -> None:
    images = CropReader(memory_volumes({7: volume}), (10, 15)).read(crops_of(plain_map(0, 0, 60, 40), [2]))
    expected = volume[2].reshape(10, 4, 15, 4).mean(axis=(1, 3)) / 1000
    np.testing.assert_allclose(images[0, 0].numpy(), expected, atol=1e-4)


def test_a_mirrored_map_mirrors(memory_volumes, volume) -> None:
    matrix = plain_map(5, 8, 25, 18)
    matrix[0, 0] *= -1
    images = CropReader(memory_volumes({7: volume}), (10, 20)).read(crops_of(matrix, [0]))
    np.testing.assert_allclose(images[0, 0].numpy(), volume[0, 8:18, 5:25][:, ::-1] / 1000, atol=1e-4)


def test_any_map_agrees_with_an_independent_interpolation(memory_volumes, volume) -> None:
    from scipy.ndimage import map_coordinates

    angle = 0.3
    matrix = np.array([[9 * np.cos(angle), -8 * np.sin(angle), 28.3], [9 * np.sin(angle), 8 * np.cos(angle), 19.6]])
    size = (16, 18)
    images = CropReader(memory_volumes({7: volume}), size).read(crops_of(matrix, [3]))
    b, a = np.meshgrid((2 * np.arange(16) + 1) / 16 - 1, (2 * np.arange(18) + 1) / 18 - 1, indexing="ij")
    x, y = np.einsum("ij,jhw->ihw", matrix, np.stack([a, b, np.ones_like(a)]))
    expected = map_coordinates(volume[3].astype(float), [y, x], order=1, mode="constant") / 1000
    np.testing.assert_allclose(images[0, 0].numpy(), expected, atol=1e-4)


def test_a_crop_does_not_depend_on_its_neighbours_in_the_batch(memory_volumes, volume) -> None:
    reader = CropReader(memory_volumes({7: volume, 8: np.ascontiguousarray(volume[:, ::-1])}), (10, 20))
    small, large = crops_of(plain_map(20, 10, 30, 18), [1, 2]), crops_of(plain_map(0, 0, 60, 40), [2, 3], series=8)
    together = reader.read(Crops.join([small, large]))
    torch.testing.assert_close(together[:1], reader.read(small), atol=1e-5, rtol=0)
    torch.testing.assert_close(together[1:], reader.read(large), atol=1e-5, rtol=0)


def test_kept_series_give_the_same_image_within_rounding(memory_volumes, volume) -> None:
    volumes = memory_volumes({7: volume})
    crops = crops_of(plain_map(0, 0, 60, 40), [0, 1, 2, 3, 4, 5])
    plain, kept = CropReader(volumes, (10, 15)), CropReader(volumes, (10, 15), keep_mb=1)
    torch.testing.assert_close(kept.read(crops), plain.read(crops), atol=1e-3, rtol=0)
    torch.testing.assert_close(kept.read(crops), plain.read(crops), atol=1e-3, rtol=0)


def test_no_crops_give_an_empty_batch(memory_volumes) -> None:
    empty = Crops(np.zeros(0, int), np.zeros((0, 5), int), np.zeros((0, 2, 3)))
    assert CropReader(memory_volumes({}), (4, 6)).read(empty).shape == (0, 5, 4, 6)


def test_crops_that_are_split_join_to_what_they_were() -> None:
    whole = Crops(np.arange(5), np.arange(10).reshape(5, 2), np.arange(30.0).reshape(5, 2, 3))
    parts = whole.split([2, 0, 3])
    assert [len(part) for part in parts] == [2, 0, 3]
    again = Crops.join(parts)
    for name in ("series", "slices", "matrices"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
