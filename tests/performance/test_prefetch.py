"""Reading ahead with a network as fast as on a GPU: how near the loop comes to the slower of reading and computing.

``pytest tests/performance/test_prefetch.py --benchmark-enable -s`` prints the figures. The device is played by waiting,
which leaves the processor free as a GPU does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.testing import make_context
from bench.training import loop
from bench.training.loop import Schedule, train

BATCHES, ROUNDS, LEAST = 60, 5, 0.9
READ_S = 0.010

pytestmark = [pytest.mark.benchmark(group="training"), pytest.mark.usefixtures("measured")]


class Reading:
    """Batches that take ``read_s`` of a processor each, in NumPy as cropping does."""

    def __init__(self, read_s: float) -> None:
        self.read_s = read_s

    def __len__(self) -> int:
        return BATCHES

    def epoch(self, number: int) -> Iterator[tuple[Tensor, int]]:
        pixels = np.random.default_rng(number).random((256, 256), dtype=np.float32)
        for _ in range(BATCHES):
            until = time.perf_counter() + self.read_s
            while time.perf_counter() < until:
                np.sqrt(pixels)
            yield torch.from_numpy(pixels[:8, :4].copy()), 8


def seconds(read_s: float, compute_s: float, ahead: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> float:
    """One epoch of the loop."""

    def loss(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        time.sleep(compute_s)
        return {"loss": model(batch).square().mean()}

    monkeypatch.setattr(loop, "batches_ahead", lambda device: ahead)
    context = make_context(folder, None)  # type: ignore[arg-type]
    schedule = Schedule(epochs=1, batch_size=8, learning_rate=1e-3)
    started = time.perf_counter()
    train(nn.Linear(4, 1), Reading(read_s), loss, schedule, context, stage="s")
    return time.perf_counter() - started


@pytest.mark.parametrize("compute_s", [0.005, 0.010, 0.020])
def test_the_loop_is_as_fast_as_the_slower_of_reading_and_computing(compute_s, monkeypatch, tmp_path) -> None:
    ways = {"computing": (0, compute_s, 0), "in turn": (READ_S, compute_s, 0), "ahead": (READ_S, compute_s, 2)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(seconds(*way, monkeypatch, tmp_path / f"{number}-{name}"))
    typical = {name: median(taken) for name, taken in times.items()}
    slower = max(BATCHES * READ_S, typical["computing"])
    shares = {name: slower / typical[name] for name in ("ahead", "in turn")}
    print(f"\nreading {READ_S * 1e3:.0f} ms, computing {compute_s * 1e3:.0f} ms: ", end="")
    print(f"{shares['ahead']:.2f} of the slower rate reading ahead, {shares['in turn']:.2f} in turn (n = {ROUNDS})")
    assert shares["ahead"] >= LEAST
