from __future__ import annotations

import os

import pytest
import torch

from bench.errors import UsageError
from bench.jobs import hardware, runner
from bench.jobs.plan import Request


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    """Pretend that there are so many GPUs."""
    return lambda count: monkeypatch.setattr(hardware, "gpu_count", lambda: count)


def test_auto_is_a_gpu_where_there_is_one_and_else_the_cpu_on_a_mac_as_well(gpus, monkeypatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("sys.platform", "darwin")
    gpus(0)
    assert hardware.choose_device("auto") == "cpu"
    assert hardware.choose_device("mps") == "mps"
    gpus(2)
    assert hardware.choose_device("auto") == "cuda"


def test_a_device_that_is_not_there_is_named(gpus) -> None:
    gpus(0)
    with pytest.raises(UsageError, match="--device cuda:1: no NVIDIA GPU was found"):
        hardware.choose_device("cuda:1")
    with pytest.raises(UsageError, match="--device tpu: choose auto, cpu"):
        hardware.choose_device("tpu")


@pytest.mark.parametrize(("device", "count"), [("cpu", 0), ("cuda", 4), ("cuda:0", 1), ("cuda:3", 1), ("mps", 1)])
def test_jobs_share_no_accelerator(gpus, device: str, count: int) -> None:
    gpus(4)
    assert hardware.device_count(device) == count


@pytest.mark.parametrize(("device", "slots"), [("cpu", 8), ("cuda", 2), ("cuda:1", 1), ("mps", 1)])
def test_a_run_starts_one_job_per_accelerator_and_one_per_core_without(gpus, monkeypatch, device, slots) -> None:
    started = []

    class Recorder:
        def run(self, orders, on_event) -> None:
            started.extend(orders)

    gpus(2)
    monkeypatch.setattr(hardware, "cpu_count", lambda: 8)
    monkeypatch.setattr(runner, "make_executor", lambda name, **options: started.append(options) or Recorder())
    jobs = [object()] * 20
    runner.run(Request(approaches=["a"], device=device, deterministic=True), jobs, lambda *_: None)  # type: ignore[arg-type]
    options, *orders = started
    assert options["slots"] == slots
    assert all(order.deterministic and order.device == device for order in orders)


def test_gpu_memory_is_that_of_the_device_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: {"cuda:1": 3 * 2**20}[device])
    assert hardware.peak_gpu_memory_mb("cuda:1") == 3
    assert hardware.peak_gpu_memory_mb("cpu") is None
    assert hardware.peak_gpu_memory_mb("mps") is None


def test_deterministic_has_torch_refuse_what_it_cannot_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        hardware.compute_deterministically()
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
