"""What the benchmarks share: they are left out unless asked for, and some measure one approach on the same studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from bench import plugins
from bench.data.cohort import Cohort
from bench.data.load import open_dataset
from bench.datasets.phantom import Phantom, build
from bench.jobs import config as configuration
from bench.testing import make_context

STUDIES = 24


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> None:
    """Skips what is no test but a figure."""
    if not request.config.getoption("--benchmark-enable"):
        pytest.skip("a figure, not a test: measured with --benchmark-enable")


@pytest.fixture(scope="module")
def one_thread(measured: None) -> Iterator[None]:
    """torch computes on one thread, so that CPU seconds of two things compare."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def job_of(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Cohort, Any, Any]]:
    """Of an approach by name: studies of the default phantom's size, its preset ``quick``, and a context."""

    def make(name: str) -> tuple[Cohort, Any, Any]:
        root = tmp_path_factory.mktemp("small")
        build(root / "data", preset="small", studies=STUDIES, seed=101, jobs=2)
        opened = open_dataset(Phantom(), root / "data", cache=root / "cache", jobs=2, progress=lambda *_: None)
        kind = plugins.load("approaches", name)
        _, text = configuration.resolve(plugins.find("approaches", name), kind.Config)
        context = make_context(root / "job", opened.volumes)
        context.precision = "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
        return opened.cohort, kind.Config.model_validate_json(text), context

    return make
