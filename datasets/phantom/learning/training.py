"""The loop that trains either reader: AdamW, one cycle of the learning rate, clipped gradients, no early end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def minimise(
    model: nn.Module,
    examples: int,
    loss: Callable[[NDArray[np.int64]], Tensor],
    random: np.random.Generator,
    *,
    epochs: int,
    batch: int,
    rate: float,
    decay: float,
    warm_up: float,
) -> None:
    """Train a model in place.

    Args:
        examples: how many there are; each epoch shows them in a new order, whole batches alone.
        loss: of a batch, given the indices of its examples.
        rate: the highest learning rate, reached after the share ``warm_up`` of all steps.
        decay: AdamW's weight decay.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    steps = max(epochs * (examples // batch), 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=warm_up)
    model.train()
    for _ in range(epochs):
        order = random.permutation(examples)
        for start in range(0, examples - batch + 1, batch):
            value = loss(order[start : start + batch])
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
