"""How fast this machine's processor trains the networks of an approach, measured for a few seconds."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.training.forecast.estimate import BACKWARD, Forecast, NetworkForecast
from bench.training.precision import autocast, settle

_REFERENCE_S = 1.0  # of the seconds given
_LARGEST_BYTES = 2 * 2**30  # a step that may take more memory is not tried


def cpu_operations_per_second(forecast: Forecast, *, precision: str, cores: int, seconds: float = 10.0) -> float:
    """Floating-point operations per second that training the approach's networks reaches here, over all of them.

    Measured on one core and multiplied by their number: by default a run has one job per core.

    Steps of each network are timed, half of the time split evenly and half by operations. A network of which two
    samples would take longer, or 2 GiB, counts at the rate of a convolution of 64 channels.

    Args:
        forecast: with the networks.
        precision: of autocast on the processor.
        cores: of this machine.
        seconds: to measure for.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        reference = _reference_rate(precision, _REFERENCE_S)
        total = sum(_operations(one) for one in forecast.networks)
        needed = 0.0  # seconds for all operations
        for one in forecast.networks:
            share = 0.5 * _operations(one) / total + 0.5 / len(forecast.networks) if total else 0.0
            needed += _operations(one) / _rate(one, reference, precision, share * (seconds - _REFERENCE_S))
    finally:
        torch.set_num_threads(before)
    return cores * (total / needed if needed else reference)


def _operations(one: NetworkForecast) -> float:
    return 2 * (one.training_multiply_adds + one.prediction_multiply_adds)


def _rate(one: NetworkForecast, reference: float, precision: str, seconds: float) -> float:
    """Operations per second of a network's steps, or the reference where a step does not fit."""
    per_sample = 2 * (1 + BACKWARD) * one.costs.multiply_adds
    batch, bytes_per_sample = one.use.batch_size, one.costs.training_bytes / one.use.batch_size
    # two samples at least, for batch norms; the reference is faster than most networks
    samples = int(min(batch, seconds / 4 * reference / max(per_sample, 1.0), _LARGEST_BYTES / bytes_per_sample))
    if samples < min(2, batch):
        return reference
    network = settle(one.use.build(), "cpu").train()
    own = one.use.cpu_precision or precision
    return _steps_per_second(network, one.use.forward, samples, own, seconds) * samples * per_sample


def _steps_per_second(network: nn.Module, forward: object, samples: int, precision: str, seconds: float) -> float:
    """By the fastest of the steps; the first is not counted, since it makes what later ones find ready."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        with autocast("cpu", precision):
            outputs = forward(network, samples)  # type: ignore[operator]
        sum(leaf.float().mean() for leaf in tree_leaves(outputs) if _learns(leaf)).backward()
        times.append(time.perf_counter() - start)
    return 1 / min(times[1:])


def _learns(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad


def _reference_rate(precision: str, seconds: float) -> float:
    """Operations per second of a 3 x 3 convolution of 64 channels, forward and backward."""
    size, channels, samples = 56, 64, 4
    layer = settle(nn.Conv2d(channels, channels, 3, padding=1), "cpu")
    operations = 2 * (1 + BACKWARD) * samples * size * size * channels * channels * 9

    def forward(network: nn.Module, count: int) -> Tensor:
        images = torch.zeros(count, channels, size, size, requires_grad=True)
        return network(images.contiguous(memory_format=torch.channels_last))

    return _steps_per_second(layer, forward, samples, precision, seconds) * operations
