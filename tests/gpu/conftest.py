"""What the device tests share.

``pytest -m gpu`` runs them on CUDA. ``pytest tests/gpu -m slow`` runs the same bodies on the CPU, so that their code is
exercised where there is no GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import plugins
from bench.approach import Approach
from bench.data.load import Opened
from bench.jobs import config as configuration
from bench.testing import open_generated

DEVICES = [pytest.param("cuda", marks=pytest.mark.gpu), pytest.param("cpu", marks=pytest.mark.slow)]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """The device under test."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device here")
    return str(request.param)


@pytest.fixture(scope="session")
def odd(session_cache: Path) -> Opened:
    """Tiny generated studies with the habits and faults of real ones."""
    return open_generated(session_cache)


@pytest.fixture(scope="session")
def approach_of() -> Callable[..., Approach]:
    """An approach by name and preset, with settings overridden, without pretrained weights."""

    def make(name: str, preset: str, *overrides: str) -> Any:
        plugin = plugins.find("approaches", name)
        kind = plugins.load_plugin(plugin)
        _, text = configuration.resolve(plugin, kind.Config, preset=preset, overrides=overrides)
        text = text.replace('"pretrained":true', '"pretrained":false')
        return kind(kind.Config.model_validate_json(text))

    return make
