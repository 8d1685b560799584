"""Stage 1a, prediction: the slices of the canal or the foramina, by an ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.imaging.study import Study
from bench.targets import TARGETS
from bench.training.placement import on_device
from bench.training.stacks import Stack, StackReader, from_position, present_slices, to_position

from .location_config import DepthNetwork
from .slice_stage import stack_reader
from .structures import Structure, views_of

SliceProbabilities = dict[int, NDArray[np.float64]]
"""By target: (S,) how probable each slice of its series is, in anatomical order, summing to 1."""


class SliceFinder:
    """Finds the slices of one structure.

    Args:
        structure: canal or foramina.
        networks: the ensemble, each with its configuration.
        context: of the job.
    """

    def __init__(
        self, structure: Structure, networks: Sequence[tuple[DepthNetwork, nn.Module]], context: Context
    ) -> None:
        self.structure, self.networks, self.context = structure, networks, context

    @torch.inference_mode()
    def slices(self, studies: Sequence[Study]) -> NDArray[np.float64]:
        """(N, 25) slice indices in anatomical order, the median of all networks; NaN where the series is missing."""
        found = np.full((len(self.networks), len(studies), len(TARGETS)), np.nan)
        for number, (config, kept) in enumerate(self.networks):
            reader, model = stack_reader(config, self.context), on_device(kept, self.context.device)
            for row, study in enumerate(studies):
                for stack, view in views_of(study, self.structure):
                    if config.predicts == "point":
                        position = model(reader.read([stack]))[0, :, 2] * config.depth - 0.5  # (P,)
                    else:
                        logs = self._log_probabilities(model, reader, stack)  # (P, D)
                        position = position_from_scores(logs, config.pooling)
                    slices = from_position(stack, position.double().cpu().numpy(), config.depth)
                    found[number, row, list(view.targets)] = np.clip(slices, 0, len(stack) - 1)
        return np.median(found, axis=0) if len(self.networks) else np.full((len(studies), len(TARGETS)), np.nan)

    @torch.inference_mode()
    def probabilities(self, studies: Sequence[Study]) -> list[SliceProbabilities]:
        """For each study how probable each slice is, the mean of all networks.

        No entry where the series is missing or there is no network.
        """
        found: list[SliceProbabilities] = [{} for _ in studies]
        for config, kept in self.networks:
            reader, model = stack_reader(config, self.context), on_device(kept, self.context.device)
            for row, study in enumerate(studies):
                for stack, view in views_of(study, self.structure):
                    logs = self._log_probabilities(model, reader, stack).double().cpu().numpy()
                    places = to_position(stack, np.arange(len(stack), dtype=np.float64), config.depth)
                    for target, log in zip(view.targets, logs, strict=True):
                        shares = np.interp(places, np.arange(len(log)), np.exp(log))
                        found[row][target] = found[row].get(target, 0) + shares / shares.sum() / len(self.networks)
        return found

    def _log_probabilities(self, model: nn.Module, reader: StackReader, stack: Stack) -> Tensor:
        """(P, D) of a stack's positions by one network; of a symmetric structure the mean of both orders of slices."""
        images = reader.read([stack])  # (1, D, H, W)
        present = present_slices([stack], images.shape[1]).to(images.device)
        logs: Tensor = model(images)[0].masked_fill(~present, float("-inf")).log_softmax(dim=1)
        if self.structure.symmetric:
            count = int(present.sum())
            reverse = Stack(stack.series, not stack.reverse)
            other = model(reader.read([reverse]))[0, :, :count]
            logs[:, :count] = (logs[:, :count] + other.log_softmax(dim=1).flip(1)) / 2
        return logs


def position_from_scores(scores: Tensor, pooling: str) -> Tensor:
    """(P,) slices from scores (P, D): the highest, as in the write-up, or, with one score per slice, the median of the
    softmax, which errs by less where two slices compete."""
    if pooling == "volume":
        return scores.argmax(dim=1)
    return (scores.softmax(dim=1).cumsum(dim=1) < 0.5).sum(dim=1)
