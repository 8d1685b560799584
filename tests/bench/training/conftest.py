from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


class MemoryVolumes:
    """`bench.imaging.volumes.Volumes` for arrays in memory; counts how often pixels are asked for."""

    def __init__(self, arrays: dict[int, np.ndarray]) -> None:
        self.arrays = arrays
        self.reads = 0

    def array(self, series_id: int) -> np.ndarray:
        self.reads += 1
        return self.arrays[series_id]

    def window(self, series_id: int) -> np.ndarray:
        array = self.arrays[series_id]
        return np.tile(np.array([0.0, 1000.0], np.float32), (len(array), 1))


@pytest.fixture
def memory_volumes() -> type[MemoryVolumes]:
    return MemoryVolumes


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., object]:
    """A harness's context without pixels, in a folder of its own by name."""
    from bench.testing import make_context

    def make(name: str = "job", **options: object) -> object:
        return make_context(tmp_path / name, MemoryVolumes({}), **options)  # type: ignore[arg-type]

    return make
