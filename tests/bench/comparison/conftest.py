from collections.abc import Callable

import numpy as np
import pytest

from bench.metric import StudyTerms, study_terms


@pytest.fixture
def grades() -> np.ndarray:
    """(200, 25) grades of made-up studies."""
    return np.random.default_rng(0).choice([0, 1, 2], p=[0.7, 0.2, 0.1], size=(200, 25)).astype(np.int8)


@pytest.fixture
def model(grades: np.ndarray) -> Callable[..., StudyTerms]:
    """Terms of predictions that lean to the truth by `sharpness`, with noise of their own."""

    def make(sharpness: float, seed: int, of: np.ndarray | None = None) -> StudyTerms:
        truth = grades if of is None else of
        noise = np.random.default_rng([1, seed]).standard_normal((*truth.shape, 3))
        said = np.exp(noise + sharpness * np.eye(3)[truth])
        return study_terms(truth, said / said.sum(-1, keepdims=True))

    return make
