"""Stage 2: training on the annotators' points, grading at located ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.metric.prior import prior_probabilities
from bench.targets import CONDITIONS, MISSING, TARGETS
from bench.training.attention_table import Look, empty_look
from bench.training.augmentation import brightness_contrast
from bench.training.crops import CropReader, Crops
from bench.training.loop import train
from bench.training.losses import marked_slice_loss, severity_loss
from bench.training.precision import autocast, settle

from .bags import CONDITION_STREAMS, STREAMS, collect, draw
from .config import Severity
from .model import Grades, SeverityNet

# condition -> indices of its targets
TARGETS_OF = {one: [i for i, target in enumerate(TARGETS) if target.condition == one] for one in CONDITIONS}


@dataclass(frozen=True, slots=True)
class Batch:
    """Bags (B * K, S, H, W) a stream, the marked slice's place in each (B * K), and grades (B * K) a condition."""

    images: dict[str, Tensor]
    marked: dict[str, Tensor]
    grades: dict[str, Tensor]


class BagReader:
    """Finds and reads the bags of some studies at some points."""

    def __init__(
        self, studies: Sequence[Study], marks: Keypoints, config: Severity, streams: Sequence[str], context: Context
    ) -> None:
        self.config, self.device = config, context.device
        self.bags = {name: collect(studies, marks, STREAMS[name], config) for name in streams}
        sizes = {name: getattr(config.windows, name).size for name in streams}
        self.readers = {size: CropReader(context.volumes, size, context.device) for size in set(sizes.values())}
        self.sizes = sizes

    def read(
        self,
        rows: NDArray[np.int64],
        random: np.random.Generator | None = None,
        missed: Mapping[str, Sequence[float]] | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Crops]]:
        """Images, marked places and crops of some studies' bags by stream; with ``random`` as training sees them."""
        images, marked, crops = {}, {}, {}
        for name, bags in self.bags.items():
            frequencies = None if missed is None else missed[bags.stream.missed]
            crops[name], places = draw(bags, rows, self.config, frequencies, random)
            images[name] = self.readers[self.sizes[name]].read(crops[name])
            if random is not None:
                images[name] = brightness_contrast(images[name], self.config.light, random)
            marked[name] = torch.from_numpy(places).to(self.device)
        return images, marked, crops


class BagBatches:
    """The training data of one network: batches of whole studies, so that all their levels come together."""

    def __init__(
        self,
        reader: BagReader,
        grades: NDArray[np.int8],
        missed: Mapping[str, Sequence[float]],
        conditions: Sequence[str],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.reader, self.missed, self.seed, self.batch_size = reader, missed, seed, batch_size
        self.rows = np.arange(len(grades))
        if reader.config.complete_only:
            wanted = [target for one in conditions for target in TARGETS_OF[one]]
            self.rows = np.flatnonzero((grades[:, wanted] != MISSING).all(axis=1))
        self.grades = {one: torch.from_numpy(grades[:, TARGETS_OF[one]].astype(np.int64)) for one in conditions}

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Batch, int]]:
        """Every study once, in an order and with changes that depend on the epoch's number alone."""
        random = np.random.default_rng([self.seed, number])
        for rows in np.array_split(random.permutation(self.rows), len(self)):
            images, marked, _ = self.reader.read(rows, random, self.missed)
            grades = {one: values[rows].flatten().to(self.reader.device) for one, values in self.grades.items()}
            yield Batch(images, marked, grades), sum(bags.shape[0] * bags.shape[1] for bags in images.values())


def grade_loss(config: Severity) -> object:
    """The loss of stage 2 for `bench.training.loop.train`.

    A condition's is its grade's cross entropy and, at `stream_loss` of its weight, each stream's own, divided by the
    sum of these weights; plus the mean over its streams of the marked-slice loss. Conditions are averaged.
    """

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = {}
        total, marked = [], []
        for condition, grades in model(batch.images).items():
            parts[condition], slices = _condition_losses(config, condition, grades, batch)
            total.append(parts[condition] + config.slice_loss * slices)
            marked.append(slices)
        return {"loss": torch.stack(total).mean(), "marked_slice": torch.stack(marked).mean(), **parts}

    return loss


def _condition_losses(config: Severity, condition: str, grades: Grades, batch: Batch) -> tuple[Tensor, Tensor]:
    names = CONDITION_STREAMS[condition]
    target = batch.grades[condition]
    streams = sum(severity_loss(grades.streams[name], target) for name in names)
    main = severity_loss(grades.logits, target) + config.stream_loss * streams
    main = main / (1 + config.stream_loss * len(names))
    if config.stack or not config.slice_loss:
        return main, torch.zeros((), device=main.device)
    slices = [marked_slice_loss(grades.marked[name], batch.marked[name]) for name in names]
    return main, torch.stack(slices).mean()


def condition_sets(config: Severity) -> tuple[tuple[str, ...], ...]:
    """Which conditions share a network."""
    return (CONDITIONS,) if config.joint else tuple((one,) for one in CONDITIONS)


def train_severity(
    studies: Sequence[Study],
    marks: Keypoints,
    grades: NDArray[np.int8],
    missed: Mapping[str, Sequence[float]],
    config: Severity,
    number: int,
    conditions: tuple[str, ...],
    context: Context,
) -> nn.Module:
    """One trained network of stage 2: the encoder family of this number for these conditions."""
    network = config.networks[number]
    stage = f"severity{number}-{'-'.join(conditions)}"
    torch.manual_seed(context.seed(f"{stage} weights"))
    model = SeverityNet(config, network, conditions)
    if model.level_bias is not None:
        start_bias(model.level_bias, grades, conditions)
    reader = BagReader(studies, marks, config, model.streams, context)
    batches = BagBatches(
        reader, grades, missed, conditions, batch_size=network.schedule.batch_size, seed=context.seed(f"{stage} data")
    )
    if not len(batches):
        for study in studies:
            context.note(study.study_id, f"no study has all labels of {', '.join(conditions)}: class shares alone")
        return settle(class_shares_alone(model, grades), context.device).eval()
    return train(model, batches, grade_loss(config), network.schedule, context, stage=stage)  # type: ignore[arg-type]


def class_shares_alone(model: SeverityNet, grades: NDArray[np.int8]) -> SeverityNet:
    """The network that looks at nothing: its grades are the weighted class shares of the training labels.

    By level where it has a level bias, which `start_bias` has set to them; else over all levels.
    """
    for one, head in model.heads.items():
        assert isinstance(head, nn.Linear)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        if model.level_bias is None:
            shares = prior_probabilities(grades)[TARGETS_OF[one]].mean(axis=0)
            head.bias.data = torch.from_numpy(np.log(shares)).to(head.bias.dtype)
    return model


def start_bias(bias: nn.Parameter, grades: NDArray[np.int8], conditions: Sequence[str]) -> None:
    """Start the level biases at the log of the weighted class shares of the training labels, sides pooled."""
    logs = np.log(prior_probabilities(grades))  # (25, 3), the same on both sides
    for row, condition in enumerate(conditions):
        bias.data[row] = torch.from_numpy(logs[TARGETS_OF[condition][:5]])


@torch.inference_mode()
def grade(
    models: Sequence[tuple[tuple[str, ...], nn.Module]],
    studies: Sequence[Study],
    marks: Keypoints,
    config: Severity,
    context: Context,
    *,
    batch_size: int = 4,
) -> tuple[NDArray[np.float64], list[Look]]:
    """Probabilities (N, 25, 3), the mean of all networks' softmaxes, and where they looked.

    Args:
        models: networks, each with its conditions.
        batch_size: studies at a time.
    """
    sums = np.zeros((len(studies), len(TARGETS), 3))
    counts = np.zeros(len(TARGETS))
    looks: list[Look] = []
    for conditions, model in models:
        reader = BagReader(studies, marks, config, model.streams, context)  # type: ignore[arg-type]
        found = {name: empty_look(len(studies), config.bag) for one in conditions for name in CONDITION_STREAMS[one]}
        for rows in np.array_split(np.arange(len(studies)), -(-len(studies) // batch_size)):
            images, _, crops = reader.read(rows)
            with autocast(context.device, context.precision):
                outputs = model(images)
            for one, grades in outputs.items():
                targets = TARGETS_OF[one]
                softmax = grades.logits.double().softmax(dim=1).cpu().numpy()
                sums[np.ix_(rows, np.array(targets))] += softmax.reshape(len(rows), len(targets), 3)
                for name in CONDITION_STREAMS[one]:
                    _keep(found[name], rows, targets, crops[name], grades.attention[name], config.stack)
        for one in conditions:
            counts[TARGETS_OF[one]] += 1
        looks += found.values()
    probabilities = sums / counts[None, :, None]
    return probabilities / probabilities.sum(axis=2, keepdims=True), looks


def _keep(
    look: Look, rows: NDArray[np.int64], targets: list[int], crops: Crops, attention: Tensor, stack: bool
) -> None:
    place = np.ix_(rows, np.array(targets))
    shape = len(rows), len(targets)
    look.series[place] = crops.series.reshape(shape)
    look.slices[place] = crops.slices.reshape(*shape, -1)
    weights = attention.double().cpu().numpy()
    if stack:  # all slices went in together
        weights = np.full(crops.slices.shape, 1 / crops.slices.shape[1])
    look.weights[place] = weights.reshape(*shape, -1)
