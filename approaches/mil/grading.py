"""Stage 2, prediction: grades at located points by an ensemble, and the attention over the slices of each bag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import TARGETS, indices
from bench.training.attention_table import SliceAttention
from bench.training.precision import autocast
from bench.training.stored_network import StoredNetwork

from .bag_reader import BagReader
from .bags import CONDITION_STREAMS
from .severity_config import Severity


@torch.inference_mode()
def grade(
    networks: Sequence[tuple[tuple[str, ...], StoredNetwork]],
    studies: Sequence[Study],
    keypoints: Keypoints,
    config: Severity,
    context: Context,
    *,
    batch_size: int = 4,
) -> tuple[NDArray[np.float64], list[SliceAttention]]:
    """Probabilities (N, 25, 3), the mean of all networks' softmaxes, and the attention of each network and stream.

    Args:
        networks: each with its conditions; one is in memory at a time.
        studies, keypoints: what is graded, and where.
        config: of stage 2.
        context: of the job.
        batch_size: studies per batch.
    """
    sums = np.zeros((len(studies), len(TARGETS), 3))
    counts = np.zeros(len(TARGETS))
    shown: list[SliceAttention] = []
    for conditions, stored in networks:
        model = stored.load(context.device)
        reader = BagReader(studies, keypoints, config, model.streams, context)
        names = [name for one in conditions for name in CONDITION_STREAMS[one]]
        attention = {name: SliceAttention.empty(len(studies), config.bag) for name in names}
        for rows in np.array_split(np.arange(len(studies)), -(-len(studies) // batch_size)):
            images, _, crops = reader.read(rows)
            with autocast(context.device, context.precision):
                outputs = model(images)
            for one, grades in outputs.items():
                targets = np.array(indices(one))
                softmax = grades.logits.cpu().double().softmax(dim=1).numpy()  # (R * T, 3)
                sums[np.ix_(rows, targets)] += softmax.reshape(len(rows), len(targets), 3)
                for name in CONDITION_STREAMS[one]:
                    weights = grades.attention[name].cpu().double().numpy()  # (R * T, S)
                    if config.stack:  # the slices went in as channels of one image
                        weights = np.full(crops[name].slices.shape, 1 / config.bag)
                    attention[name].set(rows, targets, crops[name].series, crops[name].slices, weights)
        del model  # before the next one goes to the device
        for one in conditions:
            counts[list(indices(one))] += 1
        shown += attention.values()
    probabilities = sums / counts[None, :, None]
    return probabilities / probabilities.sum(axis=2, keepdims=True), shown
