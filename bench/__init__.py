"""A benchmark of approaches to grading lumbar spine MRI: one interface, one set of folds, one metric.

Approaches, data sets and reports are plug-ins. Ours lie in folders at the top of the checkout, where a reader looks for
them; Python sees them as ``bench.approaches``, ``bench.datasets`` and ``bench.reports`` (in a wheel they are built into
this package).
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_CHECKOUT = Path(__file__).resolve().parent.parent
if (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "approaches").is_dir():
    __path__.append(str(_CHECKOUT))

if "BENCH_PLUGINS" in os.environ:  # started by a job
    from bench.plugin_imports import install

    install()

# Public name -> module. Imported on first use, so that `import bench` and `bench --help` stay fast.
_PUBLIC = {
    "Approach": "bench.approach",
    "Cohort": "bench.data.cohort",
    "Context": "bench.approach",
    "DataSet": "bench.dataset",
    "Predictions": "bench.approach",
    "Report": "bench.report",
    "Series": "bench.imaging.study",
    "Study": "bench.imaging.study",
    "TARGETS": "bench.targets",
    "Target": "bench.targets",
    "compare": "bench.api.compare",
    "load_results": "bench.api.results",
    "open_dataset": "bench.api.datasets",
    "run": "bench.api.run",
    "score": "bench.metric",
    "show": "bench.api.show",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
