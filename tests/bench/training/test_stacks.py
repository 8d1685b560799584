from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.targets import SAGITTAL_T2
from bench.training.stacks import (
    Stack,
    StackReader,
    batches_of_one_depth,
    flip_slices,
    from_position,
    present_slices,
    to_position,
)


@pytest.fixture
def volumes(memory_volumes):
    """Series 1 to 3 of 5, 3 and 20 slices; every pixel of a slice is 40 times its index, of at most 1000."""
    counts = {1: 5, 2: 3, 3: 20}
    arrays = {
        number: np.repeat(40 * np.arange(count, dtype=np.uint16), 100 * 80).reshape(count, 100, 80)
        for number, count in counts.items()
    }
    return memory_volumes(arrays)


@pytest.fixture
def stack(series_of):
    counts = {1: 5, 2: 3, 3: 20}
    return lambda number, **options: Stack(series_of(number, SAGITTAL_T2, count=counts[number]), **options)


def centres(images: torch.Tensor) -> list[list[float]]:
    """The slices that are seen, as their index in the series."""
    return [[round(float(image[16, 16]) * 25, 2) for image in one] for one in images]


def test_stacks_come_in_order_or_reversed_and_short_ones_are_padded_behind(volumes, stack) -> None:
    reader = StackReader(volumes, (32, 32), depth=8)
    images = reader.read([stack(1), stack(1, reverse=True), stack(2, reverse=True)])
    assert images.shape == (3, 8, 32, 32)
    assert centres(images) == [[0, 1, 2, 3, 4, 0, 0, 0], [4, 3, 2, 1, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0, 0, 0]]
    present = present_slices([stack(1), stack(2)], 8)
    assert present.sum(dim=1).tolist() == [5, 3]
    assert present[1, :3].all()


def test_without_pad_the_longest_stack_gives_the_depth_up_to_the_most(volumes, stack) -> None:
    reader = StackReader(volumes, (32, 32), depth=8, pad=False)
    assert reader.read([stack(1), stack(2)]).shape[1] == 5
    assert reader.read([stack(2)]).shape[1] == 3
    assert reader.read([stack(2), stack(3)]).shape[1] == 8


def test_long_stacks_are_resampled_and_places_go_there_and_back(volumes, stack) -> None:
    reader = StackReader(volumes, (32, 32), depth=8)
    for reverse in (False, True):
        one = stack(3, reverse=reverse)
        (seen,) = centres(reader.read([one]))
        np.testing.assert_allclose(seen, from_position(one, np.arange(8.0), 8), atol=0.02)
        places = np.array([0.0, 7.3, np.nan, 19.0])
        np.testing.assert_allclose(from_position(one, to_position(one, places, 8), 8), places)
    assert to_position(stack(1, reverse=True), np.array([1.0]), 8).tolist() == [3.0]


def test_chosen_slices_alone_are_read(volumes, stack) -> None:
    reader = StackReader(volumes, (32, 32), depth=4)
    chosen = np.array([2, 9, 15])
    images = reader.read([stack(3, chosen=chosen), stack(3, chosen=chosen, reverse=True)])
    assert centres(images) == [[2, 9, 15, 0], [15, 9, 2, 0]]


def test_an_extent_shows_a_part_of_the_slices(memory_volumes, stack) -> None:
    columns = np.tile(np.arange(80, dtype=np.uint16) * 10, (5, 100, 1))
    reader = StackReader(memory_volumes({1: columns}), (50, 20), depth=5, extent=(0.25, 0.5, 0.0, 1.0))
    image = reader.read([stack(1)])[0, 0]
    np.testing.assert_allclose(image[25] * 100, np.arange(20, 40), atol=0.01)


def test_batches_hold_stacks_of_one_depth(volumes, stack) -> None:
    reader = StackReader(volumes, (32, 32), depth=8, pad=False)
    stacks = [stack(number) for number in (1, 2, 3, 1, 1, 2)]
    assert batches_of_one_depth(stacks, reader, 2) == [[0, 3], [4], [1, 5], [2]]


def test_slices_are_flipped_and_padding_stays_behind(volumes, stack) -> None:
    reader = StackReader(volumes, (32, 32), depth=8)
    forward, reverse = reader.read([stack(1)]), reader.read([stack(1, reverse=True)])
    torch.testing.assert_close(flip_slices(forward, 5), reverse, rtol=0, atol=0)
    long, other = reader.read([stack(3)]), reader.read([stack(3, reverse=True)])
    torch.testing.assert_close(flip_slices(long, 8), other)
