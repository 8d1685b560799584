from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.training.crop_store import keep_crops
from bench.training.crops import CropReader, Crops


@pytest.fixture
def volumes(memory_volumes):
    random = np.random.default_rng(0)
    arrays = {7: random.integers(0, 1000, size=(9, 60, 70)), 8: random.integers(0, 1000, size=(5, 120, 100))}
    return memory_volumes({series_id: values.astype(np.uint16) for series_id, values in arrays.items()})


def crops(offset: float = 0.0, turn: float = 0.0, slices: tuple[int, int, int] = (1, 2, 3)) -> Crops:
    """Two crops, of which the second is averaged over 2 x 2 pixels."""
    maps = np.array([[[8.0, 0, 30], [0, 8, 25]], [[24.0, 0, 50], [0, 24, 60]]])
    maps[:, 0, 1], maps[:, 1, 0] = -turn, turn
    maps[:, :, 2] += offset
    return Crops(np.array([7, 8]), np.tile(slices, (2, 1)), maps)


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [1, 1]])
def test_what_is_kept_is_what_would_be_read(volumes, order) -> None:
    reader = CropReader(volumes, (16, 16))
    store = keep_crops(reader, crops(slices=(1, 2, 3)), enlarge=1.5, most_mb=10)
    wanted = crops(offset=2.3, turn=1.5, slices=(3, 2, 1)).take(np.array(order))
    found = store.read(np.array(order), np.tile([2, 1, 0], (2, 1)), wanted.matrices)
    np.testing.assert_allclose(found.numpy(), reader.read(wanted).numpy(), atol=1 / 255)


def test_a_crop_far_beyond_its_block_is_blank_there(volumes) -> None:
    store = keep_crops(CropReader(volumes, (16, 16)), crops(), enlarge=1.0, most_mb=10)
    found = store.read(np.array([0]), np.array([[0, 1, 2]]), crops(offset=9).take(np.array([0])).matrices)
    assert found[0, :, :4, :4].any()
    assert not found[0, :, -4:, -4:].any()


def test_more_than_is_allowed_is_not_kept(volumes) -> None:
    assert keep_crops(CropReader(volumes, (16, 16)), crops(), enlarge=1.5, most_mb=0) is None


def test_no_crop_can_be_kept(volumes) -> None:
    store = keep_crops(CropReader(volumes, (16, 16)), crops().take(np.zeros(0, np.int64)), enlarge=1.5, most_mb=1)
    assert store is not None
    assert len(store) == 0
    assert store.read(np.zeros(0, np.int64), np.zeros((0, 3), np.int64), np.zeros((0, 2, 3))).shape == (0, 3, 16, 16)


def test_a_shift_carries_a_gradient(volumes) -> None:
    store = keep_crops(CropReader(volumes, (16, 16)), crops(), enlarge=1.5, most_mb=10)
    shift = torch.zeros(2, 2, requires_grad=True)
    plain = store.read(np.array([0, 1]), np.tile([0, 1, 2], (2, 1)), crops(offset=0.3).matrices)
    found = store.read(np.array([0, 1]), np.tile([0, 1, 2], (2, 1)), crops(offset=0.3).matrices, shift)
    torch.testing.assert_close(found.detach(), plain)
    found.square().sum().backward()
    assert (shift.grad != 0).all()
