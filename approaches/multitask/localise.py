"""Points on slices: the mean over the localisers of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from bench.approach import Context
from bench.targets import AXIAL_T2
from bench.training.placement import on_device
from bench.training.precision import autocast
from bench.training.windows import relative_to_pixels

from .frame_reader import FrameReader, FrameRequest
from .frames import Frames
from .keypoint_config import KeypointConfig
from .locator import Locator
from .views import VIEWS


@torch.inference_mode()
def find_points(
    networks: Sequence[Locator],
    requests: Sequence[FrameRequest],
    frames: Frames,
    config: KeypointConfig,
    context: Context,
    *,
    batch_size: int = 32,
) -> list[NDArray[np.float64]]:
    """For each frame (P, 2) source pixels of its view's targets: the mean over the networks, of which there is one.

    Args:
        networks: the ensemble, in evaluation mode.
        requests: the frames. One that is flipped gives its points in the order of the flipped view.
        frames, config: how frames are read.
        context: volumes, device and precision.
        batch_size: frames of one kind per batch.
    """
    reader = FrameReader(config, frames, context)
    models = [on_device(network, context.device) for network in networks]
    found: list[NDArray[np.float64]] = [np.zeros((0, 2))] * len(requests)
    by_kind: dict[str, list[int]] = {}
    for place, one in enumerate(requests):
        by_kind.setdefault(VIEWS[one.view].kind, []).append(place)
    for kind, places in by_kind.items():
        for start in range(0, len(places), batch_size):
            chosen = places[start : start + batch_size]
            some = [requests[place] for place in chosen]
            matrices = reader.matrices(some)
            images = reader.read(kind, some, matrices)  # (n, 3, H, W)
            with autocast(context.device, context.precision):
                outputs = [model({kind: images})[kind].cpu().double().numpy() for model in models]
            shares = np.mean(outputs, axis=0)  # (n, P, 2)
            for place, matrix, points in zip(chosen, matrices, shares, strict=True):
                if requests[place].flip and kind == AXIAL_T2:
                    points = points[::-1]
                found[place] = relative_to_pixels(matrix, points)
    return found
