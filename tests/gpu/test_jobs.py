"""Whole jobs on a device: every approach's smoke run, killed and resumed, and against the CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bench.jobs.store import StoredJob, stored_jobs
from bench.testing import make_context

APPROACHES = ("mil", "multitask", "sequence", "prior")
# Largest difference of a probability between devices for one trained model: sums are added up in another order.
TOLERANCE = {"fp32": 2e-3, "bf16": 0.05, "fp16": 0.02}
RESUMED = 0.05  # of a job that was killed, on CUDA without --deterministic; docs/methods.md names it
# By approach, settings that train its last network for some epochs, and where its checkpoint lies.
LAST_NETWORK = {
    "mil": ("severity.schedule.epochs=4", "resume/severity0-*.safetensors"),
    "multitask": ("classifier.schedule.epochs=4", "resume/multitask.safetensors"),
    "sequence": ("training.schedule.epochs=8", "resume/sequence.safetensors"),
}


def start(store: Path, cache: Path, device: str, *words: str) -> subprocess.Popen[str]:
    places = ["--out", str(store), "--cache-dir", str(cache), "--device", device, "--jobs", "1"]
    data = ["--dataset", "phantom:tiny", "--folds", "2", "--fold", "0"]
    command = [sys.executable, "-c", "from bench.cli import main; main()", "run", *data, *places, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(store: Path, cache: Path, device: str, *words: str) -> StoredJob:
    process = start(store, cache, device, *words)
    output = process.communicate(timeout=1800)[0]
    assert process.returncode == 0, output
    (job,) = stored_jobs(store)
    assert job.result is not None
    return job


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_smoke_run(device: str, approach: str, precision: str, tmp_path: Path, session_cache: Path) -> None:
    if device == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this GPU does not compute in bf16")
    if device == "cpu" and precision == "fp16":
        pytest.skip("fp16 is for GPUs: CPUs emulate it")
    preset = ["--preset", "quick" if approach == "prior" else "smoke"]
    job = finish(tmp_path / "runs", session_cache, device, "--approach", approach, *preset, "--precision", precision)
    result = job.result.document()
    assert np.isfinite(result["score"])
    assert (result["hardware"]["device"], result["precision"]) == (device, precision)
    if device == "cuda" and approach != "prior":
        assert result["peak_gpu_memory_mb"] > 0
    history = job.folder / "history.csv"
    if history.exists():
        speeds = pd.read_csv(history).groupby("stage", sort=False)["images_per_second"].mean()
        print(f"{approach} {precision} on {device}, images per second: {speeds.round(0).to_dict()}")


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("approach", LAST_NETWORK)
def test_killed_and_resumed(
    device: str, approach: str, deterministic: bool, tmp_path: Path, session_cache: Path
) -> None:
    """Exactly equal on a CPU and with `--deterministic`; else to the extent that training on CUDA repeats at all."""
    setting, checkpoint = LAST_NETWORK[approach]
    words = ["--approach", approach, "--preset", "smoke", "--precision", "fp32", "--set", setting]
    words += ["--deterministic"] if deterministic else []
    whole = finish(tmp_path / "whole", session_cache, device, *words)
    killed = tmp_path / "killed"
    process = start(killed, session_cache, device, *words)
    end = time.monotonic() + 900
    while not list(killed.rglob(checkpoint)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not list(killed.rglob("predictions.csv")), "killed too late: nothing was left to resume"
    resumed = finish(killed, session_cache, device, *words)
    first, second = (pd.read_csv(job.folder / "predictions.csv", index_col="row_id") for job in (whole, resumed))
    if device == "cpu" or deterministic:
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    else:
        assert np.abs(first - second).max(axis=None) <= RESUMED


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("approach", ["mil", "multitask", "sequence"])
def test_a_model_predicts_as_on_the_cpu(
    device: str, approach: str, precision: str, odd, approach_of, tmp_path: Path
) -> None:
    if device == "cpu" and precision == "fp16":
        pytest.skip("fp16 is for GPUs: CPUs emulate it")
    ids = odd.cohort.study_ids
    train, held_out = odd.cohort.subset(ids[::2]), odd.cohort.subset(ids[1::2]).hidden()
    model = approach_of(approach, "smoke")
    model.fit(train, make_context(tmp_path / "job", odd.volumes))
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    there = make_context(tmp_path / "there", odd.volumes, device=device)
    there.precision = precision
    expected = model.predict(held_out, make_context(tmp_path / "here", odd.volumes))
    found = type(model).load(folder, model.config).predict(held_out, there)
    difference = np.abs(expected.probabilities - found.probabilities)
    share = float((difference.max(axis=2) <= TOLERANCE[precision]).mean())
    print(f"{approach} {precision} on {device}: {share:.1%} of targets within {TOLERANCE[precision]}")
    # A slice or point that was chosen by a hair may be another one; its targets then see another image.
    assert share >= (1.0 if precision == "fp32" else 0.9)
