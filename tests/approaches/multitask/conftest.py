from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import plugins
from bench.approaches.multitask import Multitask
from bench.approaches.multitask.config import MultitaskConfig
from bench.data.cohort import Cohort
from bench.data.load import Opened
from bench.imaging.study import Series, Study
from bench.jobs import config as configuration
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2
from bench.testing import make_context, open_generated

PLUGIN = plugins.find("approaches", "multitask")


class MemoryVolumes:
    """Arrays (S, H, W) by series id, shown from 0 to 1000."""

    def __init__(self, arrays: Mapping[int, np.ndarray]) -> None:
        self.arrays = arrays

    def array(self, series_id: int) -> np.ndarray:
        return self.arrays[series_id]

    def window(self, series_id: int) -> np.ndarray:
        return np.tile(np.array([0.0, 1000.0], np.float32), (len(self.arrays[series_id]), 1))


@pytest.fixture
def context_of() -> Callable[[Mapping[int, np.ndarray]], Any]:
    """What reading needs of a context, with these arrays as its volumes."""

    def make(arrays: Mapping[int, np.ndarray]) -> Any:
        seed = SimpleNamespace(device="cpu", precision="fp32", volumes=MemoryVolumes(arrays))
        seed.seed = lambda purpose: len(purpose)
        return seed

    return make


@pytest.fixture
def three(series_of: Callable[..., Series]) -> Study:
    """A study with one series of each kind: 10 (T2), 20 (T1), 30 (axial)."""
    kinds = {10: SAGITTAL_T2, 20: SAGITTAL_T1, 30: AXIAL_T2}
    return Study(1, tuple(series_of(series_id, kind) for series_id, kind in kinds.items()))


def resolved(*overrides: str, preset: str = "smoke", ablation: str | None = None) -> MultitaskConfig:
    """The configuration of a preset."""
    _, text = configuration.resolve(PLUGIN, MultitaskConfig, preset=preset, ablation=ablation, overrides=overrides)
    return MultitaskConfig.model_validate_json(text)


@pytest.fixture(name="resolved")
def _resolved() -> Callable[..., MultitaskConfig]:
    return resolved


@pytest.fixture
def approach() -> Callable[..., Multitask]:
    """An approach of the preset ``smoke`` with some settings changed."""
    return lambda *overrides: Multitask(resolved(*overrides))


@pytest.fixture(scope="session")
def odd(session_cache: Path) -> Opened:
    return open_generated(session_cache)


@pytest.fixture(scope="session")
def parts(odd: Opened) -> tuple[Cohort, Cohort]:
    """Studies to train on and to predict, both with labels and points."""
    ids = odd.cohort.study_ids
    return odd.cohort.subset(ids[::2]), odd.cohort.subset(ids[1::2])


@pytest.fixture(scope="session")
def job_at(odd: Opened, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A job's context in a folder; all jobs on unchanged studies share one folder of features, as in a real store."""
    shared = tmp_path_factory.mktemp("shared")

    def make(folder: Path) -> Any:
        context = make_context(folder, odd.volumes, all_studies=odd.cohort)
        context.shared_work = shared
        return context

    return make
