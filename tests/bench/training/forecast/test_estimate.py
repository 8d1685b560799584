"""From one network's costs to those of a job, and to hours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from bench.approach import NetworkUse
from bench.training.forecast.devices import DEVICES, Device, reading_hours
from bench.training.forecast.estimate import Forecast, NetworkForecast
from bench.training.forecast.probe import cpu_operations_per_second
from bench.training.forecast.profile import Profile

GIB = 2**30


def network(**changes) -> NetworkForecast:
    values = {"batch_size": 2, "images": 3, "trained": 100, "evaluated": 20, "predicted": 50, "staged": True}
    use = NetworkUse("one", lambda: nn.Linear(8, 8), lambda one, count: one(torch.zeros(count, 8)), **values | changes)
    return NetworkForecast(use, Profile(GIB // 4, 1000.0, 5 * GIB, 2 * GIB))


def test_backward_counts_as_two_forward_passes() -> None:
    job = Forecast((network(),), "fp16")
    assert job.training_multiply_adds == 1000 * (3 * 100 + 20)
    assert job.prediction_multiply_adds == 1000 * 50
    assert job.operations == 2 * 1000 * (3 * 100 + 20 + 50)
    assert job.slices == 3 * 170


def test_memory_is_that_of_the_largest_network_and_disk_that_of_all() -> None:
    job = Forecast((network(count=3), network(staged=False)), "fp16")
    assert job.gpu_memory_gb == pytest.approx(0.8 + 1.1 * 5)
    assert job.stored_gb == pytest.approx(4)
    assert job.working_gb == pytest.approx(1 + 2 * 3)
    assert job.disk_gb(5) == pytest.approx(5 * 4 + 7)


def test_networks_on_the_disk_take_no_main_memory_and_in_fp16_half_the_disk() -> None:
    kept = Forecast((network(count=3),), "fp16")
    read = Forecast((network(count=3, on_disk=True, half_weights=True),), "fp16")
    assert kept.memory_gb - read.memory_gb == pytest.approx(3)
    assert (kept.stored_gb, read.stored_gb) == (pytest.approx(3), pytest.approx(1.5))
    assert read.gpu_memory_gb == kept.gpu_memory_gb


def test_networks_beside_each_other_and_images_on_the_device_take_its_memory_together() -> None:
    first = network(kept_mb=512, kept_on_device=True)
    second = replace(first, use=replace(first.use, name="two", kept_mb=1024))
    alone = Forecast((first, second), "fp16")
    assert alone.gpu_memory_gb == pytest.approx(0.8 + 1.1 * 5 + 1)
    in_turn = Forecast((first, replace(second, use=replace(second.use, beside=("one",)))), "fp16")
    assert in_turn.gpu_memory_gb == pytest.approx(0.8 + 1.1 * (5 + 4) + 1.5)  # GiB / 4 parameters: 4 GiB between steps
    both = Forecast((first, replace(second, use=replace(second.use, beside=("one",), joint=True))), "fp16")
    assert both.gpu_memory_gb == pytest.approx(0.8 + 1.1 * 10 + 1.5)
    assert both.memory_gb == pytest.approx(Forecast((network(), network()), "fp16").memory_gb)  # none in main memory
    assert both.cpu_memory_gb == pytest.approx(both.memory_gb + 2 * 10 + 1.5)


def test_nothing_is_needed_without_networks() -> None:
    job = Forecast((), "fp16")
    assert (job.operations, job.gpu_memory_gb, job.disk_gb(5)) == (0, 0, 0)


def test_hours_are_operations_by_peak_and_utilisation() -> None:
    assert Device("card", 10e12, 0.5, 15.0, "here").hours(5e12 * 3600) == pytest.approx(1)
    assert reading_hours(1000 * 3600) == pytest.approx(1)
    assert [device.name for device in DEVICES] == ["T4", "A100", "H100"]


def test_the_processor_is_measured_and_torch_s_threads_are_given_back() -> None:
    threads = torch.get_num_threads()
    job = Forecast((network(), network(batch_size=10**9)), "fp16")
    one = cpu_operations_per_second(job, precision="fp32", cores=1, seconds=1.2)
    assert one > 0
    assert torch.get_num_threads() == threads
