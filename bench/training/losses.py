"""Losses with missing targets. Each returns 0 (with a gradient of 0) where every target is missing."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.targets import CLASS_WEIGHTS, CONDITIONS, MISSING, TARGETS


def severity_loss(
    logits: Tensor, grades: Tensor, *, weights: tuple[float, ...] = CLASS_WEIGHTS, mean_weight: float | None = None
) -> Tensor:
    """Cross entropy weighted by class as the competition's metric weighs it.

    Args:
        logits: (B, 3).
        grades: (B,) long: 0, 1, 2, or -1 where there is no label.
        weights: one per class; the sum is divided by the weights of the labels that are there.
        mean_weight: divide by this per label that is there instead. With the mean weight of all training labels,
            see `mean_class_weight`, a label weighs the same whatever else is in its batch.
    """
    each = _on_device(weights, logits.device)
    if mean_weight is None:
        return _mean_cross_entropy(logits, grades, each)
    losses = F.cross_entropy(logits.float(), grades, weight=each, ignore_index=MISSING, reduction="sum")
    return losses / ((grades != MISSING).sum().clamp(min=1) * mean_weight)


def mean_class_weight(grades: NDArray[np.int8], *, weights: tuple[float, ...] = CLASS_WEIGHTS) -> float:
    """Mean weight of the labels that are there, from grades of any shape with -1 for none; 1 where none is."""
    known = grades[grades != MISSING]
    return float(np.asarray(weights)[known].mean()) if len(known) else 1.0


def study_loss(
    logits: Tensor,
    grades: Tensor,
    *,
    weights: tuple[float, ...] = CLASS_WEIGHTS,
    average: Literal["label", "target", "condition"] = "condition",
) -> Tensor:
    """Weighted cross entropy of all targets of some studies.

    Args:
        logits: (B, 25, 3), in the order of `bench.targets.TARGETS`.
        grades: (B, 25) long: 0, 1, 2, or -1 where there is no label.
        weights: one per class.
        average: what counts alike. ``label``: one weighted mean over all labels. ``target``: the mean over the targets
            of each one's weighted mean. ``condition``: likewise over the three conditions, as in the metric. Targets or
            conditions without any label in the batch count for nothing.
    """
    logits = logits.float()
    each = _on_device(weights, logits.device)
    known = grades != MISSING
    weight = each[grades.clamp(min=0)] * known  # (B, 25)
    losses = F.cross_entropy(logits.transpose(1, 2), grades, weight=each, ignore_index=MISSING, reduction="none")
    groups = _membership(average, logits.device)  # (25, G)
    totals, counts = losses.sum(dim=0) @ groups, weight.sum(dim=0) @ groups  # (G,)
    means = totals / counts.clamp(min=1e-9)
    return means.sum() / (counts > 0).sum().clamp(min=1)


def marked_slice_loss(scores: Tensor, marked: Tensor) -> Tensor:
    """Cross entropy of raw slice scores (B, S) towards the slice that the annotator marked, (B,) long, -1 = unknown."""
    return _mean_cross_entropy(scores, marked, None)


def point_loss(
    predicted: Tensor, true: Tensor, *, kind: Literal["l1", "squared", "huber"] = "l1", delta: float = 1.0
) -> Tensor:
    """Mean error of coordinates (..., 2); a point that is NaN in ``true`` counts for nothing.

    Args:
        predicted: (..., 2), in any unit.
        true: (..., 2), in the same unit.
        kind: ``l1``: the absolute error. ``squared``: its square. ``huber``: half its square up to ``delta``, and from
            there on straight with that slope.
        delta: in the unit of the coordinates.
    """
    known = torch.isfinite(true)
    difference = (predicted.float() - torch.nan_to_num(true)).abs() * known
    if kind == "squared":
        difference = difference.square()
    elif kind == "huber":
        difference = torch.where(difference <= delta, difference.square() / 2, delta * (difference - delta / 2))
    return difference.sum() / known.sum().clamp(min=1)


def _mean_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    known = target != MISSING
    losses = F.cross_entropy(logits.float(), target, weight=weights, ignore_index=MISSING, reduction="none")
    if weights is None:
        return losses.sum() / known.sum().clamp(min=1)
    return losses.sum() / (weights[target.clamp(min=0)] * known).sum().clamp(min=1e-9)


@lru_cache(maxsize=64)
def _on_device(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A constant, made once per device: copying it anew would wait for the device at every step."""
    with torch.inference_mode(False):  # one made in inference mode could never take part in training
        return torch.tensor(values, device=device)


@lru_cache(maxsize=64)
def _membership(average: str, device: torch.device) -> Tensor:
    """(25, G): which group of targets each belongs to."""
    groups = {"label": [0] * len(TARGETS), "target": list(range(len(TARGETS)))}
    groups["condition"] = [CONDITIONS.index(target.condition) for target in TARGETS]
    with torch.inference_mode(False):
        return F.one_hot(torch.tensor(groups[average])).float().to(device)
