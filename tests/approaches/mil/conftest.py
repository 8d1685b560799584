from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


class BlankVolumes:
    """Black slices of 100 x 80 pixels for any series, which count how often they are read."""

    def __init__(self) -> None:
        self.reads = 0

    def array(self, series_id: int) -> np.ndarray:
        self.reads += 1
        return np.zeros((64, 100, 80), np.uint8)

    def window(self, series_id: int) -> np.ndarray:
        return np.tile(np.array([0.0, 1.0], np.float32), (64, 1))


@pytest.fixture
def blank_context() -> Any:
    """What networks with fixed outputs need of a context."""
    return SimpleNamespace(device="cpu", precision="fp32", volumes=BlankVolumes())
