"""Prediction: probabilities of all targets, and the attention over the slices."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.targets import TARGETS
from bench.training.attention_table import SliceAttention
from bench.training.augmentation.flips import swap_sides
from bench.training.placement import on_device
from bench.training.precision import autocast

from .config import Training
from .model import Graded, SequenceNet
from .scans import ScanReader, Scans
from .slice_choice import KINDS
from .variation import Batch, mirrored, out_of_order

_ONE = np.array([0])


@torch.inference_mode()
def grade(
    kept: SequenceNet, reader: ScanReader, config: Training, context: Context
) -> tuple[NDArray[np.float64], list[SliceAttention]]:
    """Probabilities (N, 25, 3) of the reader's studies, and the attention over each type of scan.

    A study is graded by itself, so that it makes no difference which others are predicted. With `mirror_prediction` the
    logits are the mean over the study as it is and in the mirror.
    """
    model = on_device(kept, context.device)
    assert isinstance(model, SequenceNet)
    probabilities = np.zeros((len(reader.studies), len(TARGETS), 3))
    attention = []
    for row, study in enumerate(reader.studies):
        rows = np.array([row])
        scans = reader.read(rows)
        if config.order == "arbitrary":
            random = np.random.default_rng(study.study_id)
            scans = {kind: out_of_order(one, random) for kind, one in scans.items()}
        with autocast(context.device, context.precision):
            graded: Graded = model(scans)
            logits = graded.logits
            if config.mirror_prediction:
                logits = (logits + _in_mirror(model, scans)) / 2
        probabilities[row] = logits[0].cpu().double().softmax(dim=1).numpy()
        attention += [(row, kind, weights.cpu().double().numpy()) for kind, weights in graded.slices.items()]
    return probabilities, _shown(reader, attention)


def _in_mirror(model: SequenceNet, scans: dict[str, Scans]) -> Tensor:
    """(1, 25, 3) logits of one study from its mirror image."""
    device = scans[KINDS[0]].images.device
    nothing = torch.zeros(1, len(TARGETS), device=device)
    batch = mirrored(Batch(scans, nothing, torch.zeros(1, len(TARGETS), 3, device=device)), _ONE)
    graded: Graded = model(batch.scans)
    return swap_sides(graded.logits, _ONE)


def _shown(reader: ScanReader, found: list[tuple[int, str, NDArray[np.float64]]]) -> list[SliceAttention]:
    """One `SliceAttention` per type of scan."""
    shown = {kind: SliceAttention.empty(len(reader.studies), reader.config.scan(kind).slices) for kind in KINDS}
    for row, kind, weights in found:
        slices = reader.study(row).slices.get(kind)
        if slices is not None:
            count = len(slices)
            shown[kind].series[row, :, :count] = slices[:, 0].numpy()
            shown[kind].slices[row, :, :count] = slices[:, 1].numpy()
            shown[kind].weights[row, :, :count] = weights[0, :, :count]
    return list(shown.values())
