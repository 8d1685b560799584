"""Training the network on prepared studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.training.loop import train
from bench.training.losses import study_loss
from bench.training.sampling import Epochs

from .anatomy import measure
from .attention_loss import attention_loss
from .config import SequenceConfig
from .model import Graded, SequenceNet
from .scans import ScanReader
from .variation import Batch, vary


@dataclass(frozen=True, slots=True)
class Examples:
    """Training studies with what is known of them.

    Attributes:
        reader: of their scans.
        grades: (N, 25).
        points: (N, 25, 3) in mm from each study's middle, NaN where unknown.
    """

    reader: ScanReader
    grades: NDArray[np.int8]
    points: NDArray[np.float64]

    @classmethod
    def of(cls, cohort: Cohort, folder: Path, config: SequenceConfig, context: Context) -> Examples:
        """The examples of a cohort whose slices lie prepared in a folder."""
        reader = ScanReader(folder, cohort.studies, config.preparation, context.device)
        points = read_keypoints(cohort, context.note).world(cohort.studies) - reader.centres[:, None]
        return cls(reader, cohort.grades, points)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Some studies as they are."""
        device = self.reader.device
        grades = torch.from_numpy(self.grades[rows].astype(np.int64)).to(device)
        points = torch.from_numpy(self.points[rows].astype(np.float32)).to(device)
        return Batch(self.reader.read(rows), grades, points)


class StudyBatches:
    """Batches of whole studies, varied anew in every epoch."""

    def __init__(self, examples: Examples, config: SequenceConfig, seed: int) -> None:
        self.examples, self.config = examples, config.training
        rows = np.arange(len(examples.grades))
        self.epochs = Epochs(rows, batch_size=config.training.schedule.batch_size, seed=seed)

    def __len__(self) -> int:
        return len(self.epochs)

    def epoch(self, number: int) -> Iterator[tuple[Batch, int]]:
        """Every study once."""
        for rows, random in self.epochs.epoch(number):
            batch = vary(self.examples.batch(rows), self.config, random)
            yield batch, sum(int(scans.present.sum()) for scans in batch.scans.values())


def sequence_loss(config: SequenceConfig) -> Callable[[nn.Module, Batch], dict[str, Tensor]]:
    """The weighted cross entropy of all labels, plus the weighted loss of the attention where that is wanted."""
    training = config.training

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        graded: Graded = model(batch.scans)
        severity = study_loss(graded.logits, batch.grades, average=training.average)
        if not training.marked_loss:
            return {"loss": severity}
        attention = attention_loss(graded, batch.points, training.marked)
        return {"loss": severity + training.marked_loss * attention, "severity": severity, "attention": attention}

    return loss


def fit_network(cohort: Cohort, folder: Path, config: SequenceConfig, context: Context) -> SequenceNet:
    """The network trained on a cohort whose slices lie prepared in a folder."""
    held_out: Cohort | None = None
    if config.training.schedule.early_stopping is not None:
        cohort, held_out = context.inner_folds(cohort, config.training.hold_out)[0]
    examples = Examples.of(cohort, folder, config, context)
    torch.manual_seed(context.seed("sequence weights"))
    model = SequenceNet(config.network, config.preparation)
    model.start_at_prior(examples.grades)
    if model.queries is not None:
        model.queries.start(measure(examples.points))
    batches = StudyBatches(examples, config, context.seed("sequence data"))
    validate = None if held_out is None else validation(Examples.of(held_out, folder, config, context), config)
    trained = train(
        model,
        batches,
        sequence_loss(config),
        config.training.schedule,
        context,
        stage="sequence",
        validate=validate,
    )
    assert isinstance(trained, SequenceNet)
    return trained


def validation(examples: Examples, config: SequenceConfig) -> Callable[[nn.Module], dict[str, float]]:
    """The loss of all labels of some studies, pooled as the metric pools them."""

    def validate(model: nn.Module) -> dict[str, float]:
        count = len(examples.grades)
        size = config.training.schedule.batch_size
        logits = [
            model(examples.batch(rows).scans).logits.float()
            for rows in np.array_split(np.arange(count), -(-count // size))
        ]
        grades = torch.from_numpy(examples.grades.astype(np.int64)).to(examples.reader.device)
        return {"loss": float(study_loss(torch.cat(logits), grades))}

    return validate
