from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import plugins
from bench.approaches.sequence.config import SequenceConfig
from bench.data.load import Opened
from bench.imaging.study import Study
from bench.jobs import config as configuration
from bench.testing import open_generated


class FilledVolumes:
    """Pixels of made-up series: smooth noise that depends on the series and slice alone."""

    def __init__(self, study: Study) -> None:
        self.series = {one.series_id: one for one in study.series}

    def array(self, series_id: int) -> np.ndarray:
        one = self.series[series_id]
        random = np.random.default_rng(series_id)
        return random.integers(0, 200, (len(one), *one.shapes.max(axis=0))).astype(np.uint8)

    def window(self, series_id: int) -> np.ndarray:
        return np.tile(np.array([0.0, 200.0], np.float32), (len(self.series[series_id]), 1))


def load_config(*overrides: str, preset: str = "smoke", ablation: str | None = None) -> SequenceConfig:
    plugin = plugins.find("approaches", "sequence")
    _, text = configuration.resolve(plugin, SequenceConfig, preset=preset, ablation=ablation, overrides=overrides)
    return SequenceConfig.model_validate_json(text)


@pytest.fixture
def config_of() -> Callable[..., SequenceConfig]:
    return load_config


@pytest.fixture
def volumes_of() -> Callable[[Study], Any]:
    return FilledVolumes


@pytest.fixture(scope="session")
def odd(session_cache: Path) -> Opened:
    return open_generated(session_cache)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
