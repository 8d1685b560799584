from __future__ import annotations

import numpy as np
import pytest

from bench.approaches.sequence.intensity import adapted, entropy_bits


def changed(image: np.ndarray) -> np.ndarray:
    return adapted(image.astype(np.float32))


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).random((64, 64))


def test_a_slice_of_one_value_becomes_zeros() -> None:
    assert not changed(np.full((16, 16), 7.0)).any()


def test_every_result_lies_in_0_to_1(noise) -> None:
    for image in (noise, noise**6, noise**0.1, np.round(noise * 4), noise * 0.02 + 0.4 + (noise > 0.9999)):
        result = changed(image * 1000)
        assert result.dtype == np.float32
        assert 0 <= result.min() <= result.max() <= 1


def test_a_plain_slice_is_stretched_between_its_percentiles(noise) -> None:
    result = changed(noise)
    assert (result == 0).mean() == pytest.approx(0.01, abs=0.01)
    assert (result == 1).mean() == pytest.approx(0.01, abs=0.01)


def test_a_narrow_slice_gets_more_contrast(noise) -> None:
    narrow = 0.45 + 0.1 * noise
    narrow[0, 0], narrow[0, 1] = 0.0, 1.0
    assert np.percentile(changed(narrow), 95) - np.percentile(changed(narrow), 5) > 0.3


def test_a_dark_slice_becomes_brighter_and_a_bright_one_is_compressed(noise) -> None:
    dark = 0.05 + 0.3 * noise**2
    dark[0, 0], dark[0, 1] = 0.0, 1.0
    scaled = dark
    assert (changed(dark) >= scaled - 1e-6).all()  # gamma below 1
    bright = 0.3 + 0.7 * noise**0.3
    bright[0, 0] = 0.0
    np.testing.assert_allclose(changed(bright), np.log2(1 + bright / bright.max()), atol=1e-6)


def test_few_grey_values_are_equalised() -> None:
    steps = np.repeat([0.0, 0.1, 0.2, 1.0], 256).reshape(32, 32)
    np.testing.assert_allclose(np.unique(changed(steps)), [0.25, 0.5, 0.75, 1.0])


def test_entropy() -> None:
    assert entropy_bits(np.full(256, 3)) == pytest.approx(8)
    assert entropy_bits(np.array([5, 0, 0])) == 0
