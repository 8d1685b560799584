"""Both passes in one loop: what the localiser finds in a batch, the crops of the same batch are cut at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.keypoints import Keypoints
from bench.training.windows import relative_to_pixels

from .crop_reader import StudyCropReader
from .grading_data import GradeBatch
from .model import MultitaskNet
from .streams import ALL
from .views import VIEWS


def keypoint_objective() -> Callable[[nn.Module, GradeBatch], dict[str, Tensor]]:
    """The localiser's loss; it leaves in the batch what was found."""

    def loss(model: nn.Module, batch: GradeBatch) -> dict[str, Tensor]:
        assert isinstance(model, MultitaskNet)
        assert model.locator is not None
        assert batch.frames is not None
        losses, batch.found = model.locator.loss(batch.frames.images, batch.frames.points)
        return losses

    return loss


def found_keypoints(batch: GradeBatch, keypoints: Keypoints) -> Keypoints:
    """The points of all studies, and in the batch's where one is missing what the localiser found in this step."""
    located = Keypoints.none(len(keypoints.series))
    frames = batch.frames
    assert frames is not None
    for kind, shares in batch.found.items():
        values = shares.detach().cpu().double().numpy()  # (n, P, 2)
        for place, request in enumerate(frames.requests[kind]):
            if request.flip:
                values[place] = values[place, ::-1]
            row = int(batch.rows[frames.rows[kind][place]])
            pixels = relative_to_pixels(frames.matrices[kind][place], values[place])
            for target, pixel in zip(VIEWS[request.view].targets, pixels, strict=True):
                located.set(row, target, request.series.series_id, request.slice_index, pixel)
    return keypoints.completed_by(located)


def point_shifts(batch: GradeBatch, reader: StudyCropReader) -> dict[str, Tensor]:
    """By stream (B, 25, 2) zeros in source pixels that carry the gradient to the points that the localiser found."""
    frames = batch.frames
    assert frames is not None
    total = torch.zeros(len(batch.rows), ALL, 2, device=reader.device)
    for kind, shares in batch.found.items():
        free = shares.float() - shares.float().detach()  # zeros with a gradient
        linear = torch.from_numpy(frames.matrices[kind][:, :, :2].astype(np.float32)).to(free.device)
        pixels = 2 * torch.einsum("nij,npj->npi", linear, free)
        for place, request in enumerate(frames.requests[kind]):
            targets = list(VIEWS[request.view].targets)
            own = pixels[place].flip(0) if request.flip else pixels[place]
            rows = torch.full((len(targets),), frames.rows[kind][place], device=total.device)
            total = total.index_put((rows, torch.tensor(targets, device=total.device)), own)
    return {stream.name: total if stream.own else torch.zeros_like(total) for stream in reader.streams}
