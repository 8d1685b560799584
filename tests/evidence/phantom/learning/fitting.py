"""Training for both readers: batches of example indices for `bench.training.loop.train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.imaging.volumes import Volumes
from bench.testing import make_context
from bench.training.loop import Schedule, train

# (indices of a batch's examples, random generator for augmentation) -> the loss to minimise
Loss = Callable[[NDArray[np.int64], np.random.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Indices of ``examples`` in an order that the seed and the epoch decide; an incomplete last batch is dropped."""

    examples: int
    batch_size: int
    seed: int

    def __len__(self) -> int:
        return max(self.examples // self.batch_size, 1)

    def epoch(self, number: int) -> Iterator[tuple[tuple[NDArray[np.int64], np.random.Generator], int]]:
        """Indices and a generator for augmentation, with the batch's size."""
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(self.examples)
        for batch in range(len(self)):
            pick = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield (pick, random), len(pick)


def fit(model: nn.Module, examples: int, loss: Loss, schedule: Schedule, context: Context, *, stage: str) -> None:
    """Train a reader in place; a training of this stage that was interrupted or finished in `context` is resumed."""
    batches = Shuffled(examples, schedule.batch_size, context.seed(stage))
    train(model, batches, lambda _, batch: {"loss": loss(*batch)}, schedule, context, stage=stage)


def training_context(folder: Path) -> Context:
    """A context that keeps checkpoints in ``folder`` and offers no volumes: the readers get arrays."""
    return make_context(folder, Volumes(folder), approach="learnability")
