"""The class prior as a start: a network then only has to learn in what a study differs from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.metric.prior import prior_probabilities
from bench.targets import LEVELS, indices


def level_log_priors(grades: NDArray[np.int8], conditions: Sequence[str]) -> Tensor:
    """(C, 5, 3) logs of the weighted class prior of some conditions by level, sides pooled.

    Args:
        grades: (M, 25) grades of the training studies, -1 where there is no label.
        conditions: which, such as ``("spinal",)``.
    """
    logs = np.log(prior_probabilities(grades))  # (25, 3), the same on both sides
    return torch.from_numpy(np.stack([logs[list(indices(one)[: len(LEVELS)])] for one in conditions]))


def start_level_bias(bias: nn.Parameter, grades: NDArray[np.int8], conditions: Sequence[str]) -> None:
    """Set a bias (C, 5, 3) per condition and level to `level_log_priors`."""
    bias.data.copy_(level_log_priors(grades, conditions))


def add_level_bias(logits: Tensor, bias: Tensor) -> Tensor:
    """Logits (B * 5, 3), levels running fastest, plus a bias (5, 3) per level."""
    return logits + bias.repeat(len(logits) // len(bias), 1)


def constant_head(head: nn.Linear, logs: Tensor | None = None) -> None:
    """Make a last layer give the same logits (3,) whatever goes in: 0, or the given logs of probabilities."""
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    if logs is not None:
        head.bias.data.copy_(logs)


def condition_log_prior(grades: NDArray[np.int8], condition: str) -> Tensor:
    """(3,) logs of the weighted class prior of a condition, the mean over its levels and sides."""
    prior = prior_probabilities(grades)[list(indices(condition))].mean(axis=0)
    return torch.from_numpy(np.log(prior))
