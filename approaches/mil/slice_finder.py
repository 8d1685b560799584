"""Stage 1a, prediction: the slices of the canal or the foramina, by an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.imaging.study import Study
from bench.targets import TARGETS
from bench.training.stacks import Stack, batches_of_one_depth, flip_slices, from_position, present_slices, to_position
from bench.training.stored_network import StoredNetwork

from .location_config import DepthNetwork
from .slice_stage import stack_reader
from .structures import Structure, View

BATCH_MB = 512
"""Memory for the images that all networks of one size are shown before the next are read."""

SliceProbabilities = dict[int, NDArray[np.float64]]
"""By target: (S,) how probable each slice of its series is, in anatomical order, summing to 1."""
Network = tuple[DepthNetwork, StoredNetwork]
Loaded = tuple[DepthNetwork, nn.Module]


class SliceFinder:
    """Finds the slices of one structure.

    A series is read once for all networks that see it at one size. Series of one depth share a batch: the networks'
    norms look at the whole volume, so none may be padded because of another.

    Args:
        structure: canal or foramina.
        networks: the ensemble, each with its configuration; one is in memory at a time.
        context: of the job.
        batch_size: series per batch.
    """

    def __init__(
        self,
        structure: Structure,
        networks: Sequence[Network],
        context: Context,
        *,
        batch_size: int = 8,
    ) -> None:
        self.structure, self.networks, self.context, self.batch_size = structure, networks, context, batch_size

    def slices(self, studies: Sequence[Study]) -> NDArray[np.float64]:
        """(N, 25) slice indices in anatomical order, the median of all networks; NaN where the series is missing."""
        found = np.full((max(len(self.networks), 1), len(studies), len(TARGETS)), np.nan)
        for number, row, stack, view, output in self._outputs(studies, self._positions):
            slices = from_position(stack, output, self.networks[number][0].depth)
            found[number, row, list(view.targets)] = np.clip(slices, 0, len(stack) - 1)
        return np.median(found, axis=0)

    def probabilities(self, studies: Sequence[Study]) -> list[SliceProbabilities]:
        """For each study how probable each slice is, the mean of all networks.

        No entry where the series is missing or there is no network.
        """
        found: list[SliceProbabilities] = [{} for _ in studies]
        for number, row, stack, view, logs in self._outputs(studies, self._log_probabilities):
            places = to_position(stack, np.arange(len(stack), dtype=np.float64), self.networks[number][0].depth)
            for target, log in zip(view.targets, logs, strict=True):
                shares = np.interp(places, np.arange(len(log)), np.exp(log))
                found[row][target] = found[row].get(target, 0) + shares / shares.sum() / len(self.networks)
        return found

    @torch.inference_mode()
    def _outputs(
        self, studies: Sequence[Study], ask: Callable[[Loaded, Tensor, list[Stack]], Tensor]
    ) -> Iterator[tuple[int, int, Stack, View, NDArray[np.float64]]]:
        """Number of the network, row of the study, stack, view and output of every network on every view of a series.

        ``ask`` gets a network, images (B, D, H, W) in anatomical order or reversed, and the stacks that they show.
        """
        series = [(row, study.main_series(self.structure.description)) for row, study in enumerate(studies)]
        present = [(row, one) for row, one in series if one is not None]
        for numbers in self._networks_of_one_size():
            config = self.networks[numbers[0]][0]
            reader = stack_reader(config, self.context)
            stacks = [Stack(one) for _, one in present]
            batches = batches_of_one_depth(stacks, reader, self.batch_size)
            for chunk in _chunks(batches, self._batches_in_memory(config)):
                images = [reader.read([stacks[index] for index in batch]) for batch in chunk]
                for number in numbers:
                    network = (self.networks[number][0], self.networks[number][1].load(self.context.device))
                    for batch, forward in zip(chunk, images, strict=True):
                        for view in self.structure.views:
                            shown = [Stack(stacks[index].series, view.reverse) for index in batch]
                            turned = flip_slices(forward, min(len(shown[0]), config.depth)) if view.reverse else forward
                            outputs = ask(network, turned, shown).cpu().double().numpy()
                            for index, stack, output in zip(batch, shown, outputs, strict=True):
                                yield number, present[index][0], stack, view, output
                    del network  # before the next one goes to the device

    def _networks_of_one_size(self) -> list[list[int]]:
        """The networks' numbers, in groups that are shown the same images."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for number, (config, _) in enumerate(self.networks):
            groups.setdefault((config.size, config.extent, config.depth, config.pooling), []).append(number)
        return list(groups.values())

    def _batches_in_memory(self, config: DepthNetwork) -> int:
        per_batch = self.batch_size * config.depth * config.size[0] * config.size[1] * 4 / 2**20
        return max(1, int(BATCH_MB / per_batch))

    def _positions(self, network: Loaded, images: Tensor, stacks: list[Stack]) -> Tensor:
        """(B, P) positions of the points' slices in the padded or resampled stacks."""
        config, model = network
        if config.predicts == "point":
            return model(images)[..., 2] * config.depth - 0.5
        logs = self._log_probabilities(network, images, stacks)
        return position_from_scores(logs, config.pooling)

    def _log_probabilities(self, network: Loaded, images: Tensor, stacks: list[Stack]) -> Tensor:
        """(B, P, D) of the stacks' positions; of a symmetric structure the mean of both orders of slices."""
        logs = _masked_logs(network[1](images), stacks)
        if self.structure.symmetric:
            count = min(len(stacks[0]), network[0].depth)  # alike in a batch
            other = _masked_logs(network[1](flip_slices(images, count)), stacks)
            logs = (logs + flip_slices(other, count, dim=2)) / 2
        return logs


def _masked_logs(scores: Tensor, stacks: list[Stack]) -> Tensor:
    """(B, P, D) log probabilities, -inf at padding."""
    present = present_slices(stacks, scores.shape[2])[:, None].to(scores.device)  # (B, 1, D)
    return scores.masked_fill(~present, float("-inf")).log_softmax(dim=2)


def position_from_scores(scores: Tensor, pooling: str) -> Tensor:
    """(B, P) slices from scores (B, P, D).

    The highest, as in the write-up, or, with one score per slice, the median of the softmax, which errs by less where
    two slices compete.
    """
    if pooling == "volume":
        return scores.argmax(dim=-1)
    return (scores.softmax(dim=-1).cumsum(dim=-1) < 0.5).sum(dim=-1)


def _chunks(batches: list[list[int]], size: int) -> Iterator[list[list[int]]]:
    for start in range(0, len(batches), size):
        yield batches[start : start + size]
