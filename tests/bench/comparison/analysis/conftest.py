from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.comparison import compare
from bench.comparison.analysis.predicted import Predicted, predicted
from bench.jobs.store import stored_jobs


@pytest.fixture
def read(make_store: Callable[..., Any]) -> Callable[..., Predicted]:
    """What the analyses read of a made-up store; see `make_store`."""

    def make(sharpness: dict[str, float], **options: Any) -> Predicted:
        found = predicted(compare(stored_jobs(make_store(sharpness, **options)), resamples=200))
        split = replace(found.split, grades=found.split.grades.copy())  # so that tests can change labels
        return replace(found, split=split, approaches=tuple(replace(each, split=split) for each in found.approaches))

    return make


@pytest.fixture
def calibrated() -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    """Predictions (N, 25, 3) made for the weights 1, 2, 4, and labels drawn from their class probabilities."""

    def make(studies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        q = np.exp(3.5 * random.standard_normal((studies, 25, 3)) + [3, 0, 0])
        q /= q.sum(axis=-1, keepdims=True)
        grades = (random.random((studies, 25, 1)) > q.cumsum(axis=-1)).sum(axis=-1).clip(0, 2).astype(np.int8)
        weighted = q * [1, 2, 4]
        return weighted / weighted.sum(axis=-1, keepdims=True), grades

    return make
