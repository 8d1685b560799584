"""Parameters, multiply-adds and memory of one network, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.approach import NetworkUse
from bench.training.forecast.profile import profile

MIB = 2**20


def linear_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(1000, 2000, bias=False), nn.ReLU(), nn.Linear(2000, 10, bias=False))


def forward(network: nn.Module, samples: int) -> Tensor:
    return network(torch.zeros(samples, 1000))


def use(build=linear_layers, forward=forward, **changes) -> NetworkUse:
    return NetworkUse("layers", build, forward, batch_size=500, images=1, trained=1, **changes)


def test_multiply_adds_and_parameters_are_those_counted_by_hand() -> None:
    found = profile(use(), "fp32")
    assert found.parameters == found.multiply_adds == 1000 * 2000 + 2000 * 10


def test_training_memory_holds_weights_gradients_moments_and_activations() -> None:
    weights = 4 * (1000 * 2000 + 2000 * 10)
    inputs, hidden, output = 4 * 500 * 1000, 4 * 500 * 2000, 4 * 500 * 10
    largest = 2 * hidden
    # ReLU keeps its result, and the first layer's own result is free again
    assert profile(use(), "fp32").training_bytes == 4 * weights + inputs + hidden + output + largest
    assert profile(use(averaged=True), "fp32").training_bytes - profile(use(), "fp32").training_bytes == weights


def test_half_precision_halves_activations_of_a_convolution() -> None:
    def build() -> nn.Module:
        return nn.Sequential(*(nn.Conv2d(32, 32, 3, padding=1) for _ in range(6)))

    def show(network: nn.Module, samples: int) -> Tensor:
        return network(torch.zeros(samples, 32, 16, 16))

    full, half = (profile(use(build, show), precision) for precision in ("fp32", "fp16"))
    assert half.training_bytes == pytest.approx(full.training_bytes / 2, rel=0.25)
    assert half.multiply_adds == full.multiply_adds


def test_prediction_keeps_no_activations() -> None:
    deep = use(lambda: nn.Sequential(*(nn.Linear(1000, 1000) for _ in range(20))), prediction_batch=500)
    found = profile(deep, "fp32")
    weights = 4 * found.parameters
    assert found.prediction_bytes - weights < 5 * 4 * 500 * 1000 < found.training_bytes - 4 * weights


def test_recurrent_layers_are_counted() -> None:
    def build() -> nn.Module:
        return nn.LSTM(64, 32, num_layers=2, batch_first=True, bidirectional=True)

    def show(network: nn.Module, samples: int) -> Tensor:
        return network(torch.zeros(samples, 5, 64))[0]

    per_step = 2 * 2 * (4 * 32 * (64 + 32))  # layers, directions, four gates
    assert profile(use(build, show), "fp16").multiply_adds == 5 * per_step
