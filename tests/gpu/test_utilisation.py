"""Stage 2 of `mil` keeps a GPU busy, and how many images per second it sees."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import torch

from bench.approaches.mil.severity import condition_sets, train_severity
from bench.approaches.mil.slice_errors import ASSUMED, KINDS
from bench.data.keypoints import read_keypoints
from bench.testing import make_context, open_generated

LEAST_PERCENT = 80.0
EVERY_S = 0.2


class Utilisation:
    """How many percent of the time the GPU computes, by ``nvidia-smi``, while the context lasts."""

    def __init__(self) -> None:
        self.percent: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Utilisation:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--id={nvidia_id()}"]
        while not self._over.wait(EVERY_S):
            self.percent.append(float(subprocess.run(query, capture_output=True, text=True, check=True).stdout))


def nvidia_id() -> str:
    """torch's current device as ``nvidia-smi`` names it, which knows nothing of CUDA_VISIBLE_DEVICES.

    Its UUID where torch tells it; else its entry in CUDA_VISIBLE_DEVICES; else its number.
    """
    number = torch.cuda.current_device()
    uuid = getattr(torch.cuda.get_device_properties(number), "uuid", None)
    if uuid is not None:
        return f"GPU-{str(uuid).removeprefix('GPU-')}"
    visible = [entry.strip() for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry.strip()]
    return visible[number] if number < len(visible) else str(number)


@pytest.mark.parametrize(
    ("uuid", "visible", "expected"),
    [
        ("11111111-2222-3333-4444-555555555555", "3,5", "GPU-11111111-2222-3333-4444-555555555555"),
        (None, "3,5", "5"),
        (None, "GPU-aa,GPU-bb", "GPU-bb"),
        (None, None, "1"),
    ],
)
def test_the_gpu_that_is_watched_is_the_one_that_computes(
    uuid: str | None, visible: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    properties = SimpleNamespace() if uuid is None else SimpleNamespace(uuid=UUID(uuid))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: properties)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvidia_id() == expected


def test_stage_two_of_mil(device: str, session_cache: Path, approach_of, tmp_path: Path) -> None:
    """On CUDA the preset `gpu` on 100 studies, two epochs; on the CPU the preset `smoke` on tiny ones."""
    opened = open_generated(session_cache, "phantom:small" if device == "cuda" else "phantom:tiny")
    preset = "gpu" if device == "cuda" else "smoke"
    severity = approach_of("mil", preset, "severity.schedule.epochs=2").config.severity
    context = make_context(tmp_path / "job", opened.volumes, device=device, threads=torch.get_num_threads())
    context.precision = "fp16" if device == "cuda" else "fp32"
    keypoints = read_keypoints(opened.cohort, lambda *_: None)
    errors = dict.fromkeys(KINDS, ASSUMED)
    (conditions,) = condition_sets(severity)
    arguments = (opened.cohort.studies, keypoints, opened.cohort.grades, errors, severity, 0, conditions, context)
    if device == "cpu":
        train_severity(*arguments)
    else:
        with Utilisation() as used:
            train_severity(*arguments)
        busy = float(np.mean(used.percent[len(used.percent) // 10 :]))  # without the start
        print(f"{torch.cuda.get_device_name()}: {busy:.0f} % used in stage 2 of mil {preset} (n = {len(used.percent)})")
        assert busy >= LEAST_PERCENT
    speeds = pd.read_csv(tmp_path / "job" / "history.csv")["images_per_second"]
    print(f"stage 2 of mil {preset} on {device}: {speeds.iloc[-1]:.0f} images per second")
    assert (speeds > 0).all()
