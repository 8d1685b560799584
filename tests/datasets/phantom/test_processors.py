"""What another processor generates: equal tables, and images that differ in single grey values.

NumPy's ``exp`` and ``pow`` round their last bit by the widest vector instructions of the processor. Without these
instructions, and with the oldest kernels of OpenBLAS, this processor computes as another one would.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

CHECKOUT = Path(__file__).parents[3]
BUILD = """
import sys
from pathlib import Path
from bench.datasets.phantom import build
build(Path(sys.argv[1]), preset="tiny", studies=3, seed=3)
"""


def vector_features() -> list[str]:
    """What NumPy would use of this processor beyond its baseline."""
    from numpy._core import _multiarray_umath as core  # NumPy has no public name for them

    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]


def built(folder: Path, **environment: str) -> Path:
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
        check=True,
        timeout=300,
    )
    return folder


@pytest.mark.slow
def test_another_processor_gives_equal_tables_and_nearly_equal_images(tmp_path: Path) -> None:
    features = vector_features()
    if not features:
        pytest.skip("NumPy uses no vector instructions here that could be switched off")
    here = built(tmp_path / "here")
    there = built(tmp_path / "there", NPY_DISABLE_CPU_FEATURES=" ".join(features), OPENBLAS_CORETYPE="Nehalem")
    tables = sorted(path.name for path in here.glob("*.csv"))
    assert {"train.csv", "train_label_coordinates.csv", "posterior.csv"} <= set(tables)
    assert [(here / name).read_bytes() for name in tables] == [(there / name).read_bytes() for name in tables]
    images = sorted(path.relative_to(here) for path in here.rglob("*.dcm"))
    assert images == sorted(path.relative_to(there) for path in there.rglob("*.dcm"))
    off = [
        np.abs(pydicom.dcmread(here / path).pixel_array.astype(int) - pydicom.dcmread(there / path).pixel_array)
        for path in images
    ]
    pixels = sum(one.size for one in off)
    differing = sum(int((one > 0).sum()) for one in off)
    print(f"{differing} of {pixels} pixels differ")
    assert max(int(one.max()) for one in off) <= 1
    assert differing < pixels / 1000
