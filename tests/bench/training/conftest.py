from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from torch import Tensor


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


class KilledError(Exception):
    pass


class Line:
    """Noisy points on a line: batches of x (8, 3) and y (8, 1). May stop in the middle of an epoch."""

    killed = KilledError

    def __init__(self, stop_in: int | None = None, count: int = 5) -> None:
        self.stop_in, self.count = stop_in, count

    def __len__(self) -> int:
        return self.count

    def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
        import torch

        random = np.random.default_rng([3, number])
        for index in range(self.count):
            if number == self.stop_in and index == 2:
                raise KilledError
            x = torch.from_numpy(random.normal(size=(8, 3)).astype(np.float32))
            yield (x, x.sum(dim=1, keepdim=True)), 8


@pytest.fixture
def line() -> type[Line]:
    return Line
