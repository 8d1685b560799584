from __future__ import annotations

import os
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session, so that generated data are built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def toy_plugin() -> Path:
    return PLUGINS / "toy.py"


@pytest.fixture(scope="session")
def brightness_plugin() -> Path:
    return PLUGINS / "brightness.py"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files for checks, which is not part of the project."""
    named = os.environ.get("BENCH_REAL_DATA")
    if not named:
        pytest.skip("BENCH_REAL_DATA is unset: it names a folder of real tables and MR files that the project lacks")
    return Path(named)
