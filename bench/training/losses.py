"""Losses with missing targets. Each returns 0 (with a gradient of 0) where every target is missing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.targets import CLASS_WEIGHTS, MISSING


def severity_loss(logits: Tensor, grades: Tensor, *, weights: tuple[float, ...] = CLASS_WEIGHTS) -> Tensor:
    """Cross entropy weighted by class as the competition's metric weighs it.

    Args:
        logits: (B, 3).
        grades: (B,) long: 0, 1, 2, or -1 where there is no label.
        weights: one a class; the sum is divided by the weights of the labels that are there.
    """
    return _mean_cross_entropy(logits, grades, torch.tensor(weights, device=logits.device))


def marked_slice_loss(scores: Tensor, marked: Tensor) -> Tensor:
    """Cross entropy of raw slice scores (B, S) towards the slice that the annotator marked, (B,) long, -1 = unknown."""
    return _mean_cross_entropy(scores, marked, None)


def point_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error of coordinates (..., 2); a point that is NaN in ``true`` counts for nothing."""
    known = torch.isfinite(true)
    difference = (predicted.float() - torch.nan_to_num(true)).abs() * known
    return difference.sum() / known.sum().clamp(min=1)


def _mean_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    known = target != MISSING
    losses = F.cross_entropy(logits.float(), target, weight=weights, ignore_index=MISSING, reduction="none")
    if weights is None:
        return losses.sum() / known.sum().clamp(min=1)
    return losses.sum() / (weights[target.clamp(min=0)] * known).sum().clamp(min=1e-9)
