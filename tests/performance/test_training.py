"""What the training loop adds to a bare step, and what augmentation costs, on one thread.

``pytest tests/performance/test_training.py --benchmark-enable -s`` prints the figures and holds them to their limits;
without ``--benchmark-enable`` they are not measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.imaging.volumes import Volumes
from bench.testing import make_context
from bench.training.augmentation import BrightnessContrast, ShiftScaleRotate
from bench.training.augmentation.blur import GaussianBlur, MedianBlur, MotionBlur
from bench.training.augmentation.distortion import ElasticDistortion, GridDistortion, OpticalDistortion
from bench.training.augmentation.dropout import CoarseDropout
from bench.training.augmentation.noise import GaussianNoise
from bench.training.augmentation.recipe import Augmentation, Degradation, Distortion, augment
from bench.training.loop import Schedule, train

STEPS, ROUNDS = 200, 7
MOST_ADDED_MS = 0.3

pytestmark = [pytest.mark.benchmark(group="training"), pytest.mark.usefixtures("one_thread")]


class Ready:
    """One batch that lies ready, again and again."""

    batch = torch.randn(8, 16), torch.randint(0, 3, (8,))

    def __len__(self) -> int:
        return STEPS

    def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
        for _ in range(STEPS):
            yield self.batch, 8


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(16, 16) for _ in range(20)), nn.Linear(16, 3))


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": F.cross_entropy(model(batch[0]), batch[1])}


def bare() -> None:
    """Forward, backward, clip, step: what no loop can do without."""
    model = network().train()
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=1e-3, fused=True)
    for batch, _ in Ready().epoch(1):
        loss(model, batch)["loss"].backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def test_the_loop_adds_little_to_a_bare_step(tmp_path, benchmark) -> None:
    def looped(name: str) -> None:
        schedule = Schedule(epochs=1, batch_size=8, learning_rate=1e-3)
        context = make_context(tmp_path / name, Volumes.__new__(Volumes))
        train(network(), Ready(), loss, schedule, context, stage="s")

    looped("first")
    pairs = [(seconds(bare), seconds(lambda number=number: looped(str(number)))) for number in range(ROUNDS)]
    benchmark.pedantic(bare, rounds=3)
    step = 1000 * np.median([plain for plain, _ in pairs]) / STEPS
    added = 1000 * np.median([whole - plain for plain, whole in pairs]) / STEPS
    print(
        f"\na bare step of a tiny network takes {step:.2f} ms; the loop adds {added:.2f} ms (median of {ROUNDS} pairs)"
    )
    assert added <= MOST_ADDED_MS


def test_a_whole_recipe_of_augmentation(benchmark) -> None:
    recipe = Augmentation(
        intensity=BrightnessContrast(probability=0.75),
        degradation=Degradation(
            probability=0.75,
            gaussian_blur=GaussianBlur(),
            motion_blur=MotionBlur(),
            median_blur=MedianBlur(),
            gaussian_noise=GaussianNoise(),
        ),
        distortion=Distortion(
            probability=0.75, optical=OpticalDistortion(), grid=GridDistortion(), elastic=ElasticDistortion()
        ),
        affine=ShiftScaleRotate(probability=0.75),
        dropout=CoarseDropout(probability=0.75),
    )
    scans, points, random = torch.rand(4, 30, 224, 224), torch.rand(4, 25, 2), np.random.default_rng(0)
    benchmark.pedantic(lambda: augment(scans, points, recipe, random), rounds=ROUNDS, warmup_rounds=1)
    print(f"\n{120 / benchmark.stats['median']:.0f} images of 224 x 224 per second, 4 scans of 30 images at a time")
