"""Stage 2, training: bags at the annotators' points, shifted as far as stage 1 errs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import CONDITIONS, MISSING, indices
from bench.training.checkpoints import save_finished, training_file
from bench.training.class_prior import condition_log_prior, constant_head, start_level_bias
from bench.training.loop import train
from bench.training.losses import marked_slice_loss, mean_class_weight, severity_loss
from bench.training.stored_network import StoredNetwork

from .bag_reader import BagReader
from .bags import CONDITION_STREAMS
from .model import Grades, SeverityNet
from .severity_config import Severity


@dataclass(frozen=True, slots=True)
class Batch:
    """Bags of B studies, K per stream.

    Attributes:
        images: by stream (B * K, S, H, W).
        marked: by stream (B * K,) place of the marked slice in its bag, -1 where it is not in it.
        grades: by condition (B * K,), -1 where there is no label.
    """

    images: dict[str, Tensor]
    marked: dict[str, Tensor]
    grades: dict[str, Tensor]


class BagBatches:
    """The training data of one network: batches of whole studies, so that all their levels come together."""

    def __init__(
        self,
        reader: BagReader,
        grades: NDArray[np.int8],
        errors: Mapping[str, Sequence[float]],
        conditions: Sequence[str],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.reader, self.errors, self.seed, self.batch_size = reader, errors, seed, batch_size
        self.rows = np.arange(len(grades))
        if reader.config.complete_only:
            wanted = [target for one in conditions for target in indices(one)]
            self.rows = np.flatnonzero((grades[:, wanted] != MISSING).all(axis=1))
        self.grades = {one: torch.from_numpy(grades[:, indices(one)].astype(np.int64)) for one in conditions}

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Batch, int]]:
        """Every study once, in an order and with augmentation that depend on the epoch's number alone."""
        random = np.random.default_rng([self.seed, number])
        for rows in np.array_split(random.permutation(self.rows), len(self)):
            images, marked, _ = self.reader.read(rows, random, self.errors)
            grades = {one: values[rows].flatten().to(self.reader.device) for one, values in self.grades.items()}
            yield Batch(images, marked, grades), sum(bags.shape[0] * bags.shape[1] for bags in images.values())


def grade_loss(config: Severity, mean_weights: Mapping[str, float]) -> object:
    """The loss of stage 2 for `bench.training.loop.train`.

    Args:
        config: of stage 2.
        mean_weights: by condition, of the classes of its training labels; used if `class_weights` is ``data_set``.

    For each condition: the cross entropy of its grade and, weighted by `stream_loss`, of each stream's own grade,
    divided by the sum of these weights. Added, weighted by `slice_loss`, is the mean over its streams of the
    marked-slice loss. Conditions are averaged.
    """

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = {}
        total, marked = [], []
        for condition, grades in model(batch.images).items():
            mean_weight = mean_weights[condition] if config.class_weights == "data_set" else None
            parts[condition], slices = _condition_losses(config, condition, grades, batch, mean_weight)
            total.append(parts[condition] + config.slice_loss * slices)
            marked.append(slices)
        return {"loss": torch.stack(total).mean(), "marked_slice": torch.stack(marked).mean(), **parts}

    return loss


def _condition_losses(
    config: Severity, condition: str, grades: Grades, batch: Batch, mean_weight: float | None
) -> tuple[Tensor, Tensor]:
    names = CONDITION_STREAMS[condition]
    target = batch.grades[condition]
    weighted = partial(severity_loss, grades=target, mean_weight=mean_weight)
    streams = sum(weighted(grades.streams[name]) for name in names)
    main = weighted(grades.logits) + config.stream_loss * streams
    main = main / (1 + config.stream_loss * len(names))
    if config.stack or not config.slice_loss:
        return main, torch.zeros((), device=main.device)
    slices = [marked_slice_loss(grades.marked[name], batch.marked[name]) for name in names]
    return main, torch.stack(slices).mean()


def condition_sets(config: Severity) -> tuple[tuple[str, ...], ...]:
    """Which conditions share a network."""
    return (CONDITIONS,) if config.joint else tuple((one,) for one in CONDITIONS)


def severity_network(config: Severity, number: int, conditions: tuple[str, ...], path: Path) -> StoredNetwork:
    """A trained network of stage 2 whose weights lie in a file."""
    bare = config.networks[number].model_copy(update={"pretrained": False})
    return StoredNetwork(path, partial(SeverityNet, config, bare, conditions))


def train_severity(
    studies: Sequence[Study],
    keypoints: Keypoints,
    grades: NDArray[np.int8],
    errors: Mapping[str, Sequence[float]],
    config: Severity,
    number: int,
    conditions: tuple[str, ...],
    context: Context,
) -> StoredNetwork:
    """One trained network of stage 2, which lies where its training was kept.

    Args:
        studies, keypoints, grades: the training data.
        errors: by kind, how often stage 1 misses the marked slice by how many, see `slice_errors.frequencies`.
        config: of stage 2.
        number: which encoder family of the ensemble.
        conditions: which it grades.
        context: of the job.
    """
    network = config.networks[number]
    stage = f"severity{number}-{'-'.join(conditions)}"
    path = training_file(context.resume, stage)
    torch.manual_seed(context.seed(f"{stage} weights"))
    model = SeverityNet(config, network, conditions)
    if model.level_bias is not None:
        start_level_bias(model.level_bias, grades, conditions)
    reader = BagReader(studies, keypoints, config, model.streams, context)
    batches = BagBatches(
        reader, grades, errors, conditions, batch_size=network.schedule.batch_size, seed=context.seed(f"{stage} data")
    )
    if not len(batches):
        for study in studies:
            context.note(study.study_id, f"no study has all labels of {', '.join(conditions)}: class prior alone")
        save_finished(path, prior_network(model, grades), fingerprint="class prior")
    else:
        mean_weights = {one: mean_class_weight(grades[batches.rows][:, indices(one)]) for one in conditions}
        loss = grade_loss(config, mean_weights)
        train(model, batches, loss, network.schedule, context, stage=stage)  # type: ignore[arg-type]
    return severity_network(config, number, conditions, path)


def prior_network(model: SeverityNet, grades: NDArray[np.int8]) -> SeverityNet:
    """The network made to predict the class prior of the training labels, whatever it is shown.

    By level where it has a level bias, which starts at the prior; else over all levels.
    """
    for condition, head in model.heads.items():
        assert isinstance(head, nn.Linear)
        constant_head(head, condition_log_prior(grades, condition) if model.level_bias is None else None)
    return model
