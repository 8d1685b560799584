from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.datasets.phantom import build


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiny studies of seed 3."""
    return build(tmp_path_factory.mktemp("phantom") / "tiny", preset="tiny", studies=4, seed=3)


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder by its relative path."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
