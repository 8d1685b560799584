"""Prediction by the second pass: grades at given points, and the slices that they rest on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.targets import TARGETS
from bench.training.attention_table import SliceAttention
from bench.training.placement import on_device
from bench.training.precision import autocast

from .crop_reader import NEIGHBOURS, StudyCropReader, StudyCrops
from .model import MultitaskNet
from .superres import Upscaler
from .validation import enlarged


def grade(
    kept: MultitaskNet,
    reader: StudyCropReader,
    upscaler: Upscaler,
    keypoints: Keypoints,
    context: Context,
    *,
    batch_size: int = 8,
) -> tuple[NDArray[np.float64], list[SliceAttention]]:
    """Probabilities (N, 25, 3), and by stream how much each of the three slices of a crop weighs.

    A slice's weight is the sum over its pixels of |value times gradient| of the grade that is predicted (Shrikumar et
    al., 2016): the write-up's network has no attention of its own.
    """
    model = on_device(kept.classifier, context.device)
    larger = on_device(upscaler, context.device)
    count = len(reader.studies)
    probabilities = np.zeros((count, len(TARGETS), 3))
    shown = {stream.name: SliceAttention.empty(count, 2 * NEIGHBOURS + 1) for stream in reader.streams}
    for rows in np.array_split(np.arange(count), -(-count // batch_size)):
        crops = reader.read(rows, keypoints)
        images = enlarged(crops, larger, model)  # type: ignore[arg-type]
        leaves = {name: one.requires_grad_() for name, one in images.items()}
        with torch.enable_grad(), autocast(context.device, context.precision):
            logits = model(leaves, crops.present).float()  # (B, 25, 3)
        weights = _weights(logits, leaves)
        softmax = logits.detach().cpu().double().softmax(dim=2).numpy()
        probabilities[rows] = softmax / softmax.sum(axis=2, keepdims=True)
        for name, attention in shown.items():
            _put(attention, rows, crops, name, weights[name])
    return probabilities, list(shown.values())


def _weights(logits: Tensor, images: dict[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    """By stream (n, 3) the weight of each slice."""
    used = [one for one in images.values() if len(one)]
    if used and logits.requires_grad:
        logits.max(dim=2).values.sum().backward(inputs=used)
    weights = {}
    for name, one in images.items():
        product = torch.ones_like(one) if one.grad is None else (one.detach() * one.grad).abs()
        weights[name] = product.sum(dim=(2, 3)).cpu().double().numpy()
    return weights


def _put(
    attention: SliceAttention, rows: NDArray[np.int64], crops: StudyCrops, name: str, weights: NDArray[np.float64]
) -> None:
    """Store the slices of a stream's crops and their weights; slices that are all blank weigh alike."""
    places, targets = np.nonzero(crops.present[name])
    weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, 1.0)
    attention.series[rows[places], targets] = crops.read[name].series[:, None]
    attention.slices[rows[places], targets] = crops.read[name].slices
    attention.weights[rows[places], targets] = weights / weights.sum(axis=1, keepdims=True)
