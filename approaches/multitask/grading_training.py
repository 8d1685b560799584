"""Training the classifier on crops around points, alone or in one loop with the localiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import MISSING
from bench.training.loop import Objective, train_objectives
from bench.training.losses import study_loss
from bench.training.schedule import OptimizerConfig

from .classifier import Classifier
from .classifier_config import ClassifierConfig
from .crop_reader import StudyCropReader
from .defects import Defects
from .frames import Frames
from .grading_data import GradeBatch, GradeBatches
from .keypoint_config import KeypointConfig
from .keypoint_data import KeypointBatches
from .keypoint_stage import curriculum
from .locator import Locator
from .model import CLASSIFIER, LOCATOR, MultitaskNet
from .one_loop import found_keypoints, keypoint_objective, point_shifts
from .superres import Upscaler
from .validation import enlarged, validation, visible_grades
from .views import MarkedView


@dataclass(frozen=True, slots=True, eq=False)
class GradingTask:
    """What the classifier is trained on.

    Attributes:
        studies, keypoints, grades: N training studies, their points (located where annotators marked none) and grades.
        rows: which are trained on.
        validation: which are held out for the schedule's validation step; empty without one.
        reader: of their crops.
        upscaler: enlarges them.
        frames: crops of the localiser's images.
        defects: of the published code that are put back.
        unmarked: in one loop, by row the images without annotators' points that the localiser is shown.
    """

    studies: Sequence[Study]
    keypoints: Keypoints
    grades: NDArray[np.int8]
    rows: NDArray[np.int64]
    validation: NDArray[np.int64]
    reader: StudyCropReader
    upscaler: Upscaler
    frames: Frames
    defects: Defects
    unmarked: Mapping[int, Sequence[MarkedView]]

    @property
    def config(self) -> ClassifierConfig:
        """Of the classifier."""
        return self.reader.config


def train_grading(
    task: GradingTask,
    context: Context,
    *,
    keypoints: KeypointConfig | None = None,
    joint_gradient: bool = False,
) -> MultitaskNet:
    """The trained network in main memory.

    Args:
        task: the data.
        context: of the job.
        keypoints: the localiser's configuration, to train it in the same loop; None: it is not part of this network.
        joint_gradient: in one loop, the loss of the grades reaches the localiser through the places of the crops. Then
            both losses are one objective. Off: each has its own parameters and optimizer, as in the write-up.
    """
    torch.manual_seed(context.seed("multitask weights"))
    classifier = Classifier(task.config)
    classifier.start(task.grades[task.rows])
    model = MultitaskNet(classifier, None if keypoints is None else Locator(keypoints.network))
    frames = None if keypoints is None else _frames(task, keypoints, context)
    batches = GradeBatches(
        task.reader, task.keypoints, task.grades, task.rows, context.seed("multitask data"), frames=frames
    )
    if not usable(task):
        for study in task.studies:
            context.note(study.study_id, "no training study has both a label and a crop: graded by the class prior")
        return model.eval()
    upscaler = task.upscaler.to(context.device)
    trained = train_objectives(
        model,
        batches,
        objectives(task, upscaler, keypoints, joint=joint_gradient),
        task.config.schedule,
        context,
        stage="multitask",
        validate=validation(task, batches, upscaler, context) if len(task.validation) else None,
        before_epoch=_before_epoch(task.config, batches, classifier, model, keypoints),
    )
    assert isinstance(trained, MultitaskNet)
    return trained.cpu()


def _frames(task: GradingTask, keypoints: KeypointConfig, context: Context) -> KeypointBatches:
    """The localiser's images of all studies, for one loop."""
    seed = context.seed("multitask frames")
    return KeypointBatches(task.studies, task.keypoints, task.frames, keypoints, context, seed, unmarked=task.unmarked)


def usable(task: GradingTask) -> bool:
    """Whether any training study has a grade of a target with a point, or a point to learn from."""
    known = task.keypoints.known[task.rows]
    return bool((known & (task.grades[task.rows] != MISSING)).any())


def objectives(
    task: GradingTask, upscaler: Upscaler, keypoints: KeypointConfig | None, *, joint: bool
) -> list[Objective]:
    """The losses of the loop: that of the grades, and in one loop that of the keypoints before it."""

    def grades(model: nn.Module, batch: GradeBatch) -> dict[str, Tensor]:
        assert isinstance(model, MultitaskNet)
        crops = batch.crops
        if crops is None:
            points = found_keypoints(batch, task.keypoints)
            shift = point_shifts(batch, task.reader) if joint else None
            crops = task.reader.read(batch.rows, points, batch.random, batch.mirrored, shift)
        logits = model(enlarged(crops, upscaler, model.classifier), crops.present)
        return {"loss": study_loss(logits, visible_grades(batch.grades, crops), average=task.config.loss)}

    if keypoints is None:
        return [Objective("", grades)]
    keypoint_loss = keypoint_objective()
    if not joint:
        rates = OptimizerConfig.model_validate(
            {name: getattr(keypoints.schedule, name) for name in OptimizerConfig.model_fields}
        )
        first = Objective("keypoints", keypoint_loss, (LOCATOR,), rates)
        return [first, Objective("grades", grades, (CLASSIFIER,))]

    def summed(model: nn.Module, batch: GradeBatch) -> dict[str, Tensor]:
        points, graded = keypoint_loss(model, batch), grades(model, batch)
        return {"loss": points["loss"] + graded["loss"], "keypoints": points["loss"], "grades": graded["loss"]}

    return [Objective("both", summed)]


def _before_epoch(
    config: ClassifierConfig,
    batches: GradeBatches,
    classifier: Classifier,
    model: MultitaskNet,
    keypoints: KeypointConfig | None,
) -> Callable[[int, Sequence[Mapping[str, float]]], None]:
    """Sets the size of crops, the studies, and whether keypoint heads learn."""
    follow = None
    if keypoints is not None and keypoints.curriculum is not None and batches.frames is not None:
        assert model.locator is not None
        follow = curriculum(batches.frames, model.locator, keypoints.curriculum, "keypoints.loss")

    def before(epoch: int, past: Sequence[Mapping[str, float]]) -> None:
        classifier.size.fill_(config.size_in(epoch))
        batches.begin(epoch)
        if follow is not None and batches.frames is not None:
            follow(epoch, past)
            chosen = np.intersect1d(batches.all_rows, batches.frames.epochs.rows)
            everyone = len(batches.frames.epochs.rows) == len(batches.frames.all_rows)
            batches.epochs.rows = batches.all_rows if everyone or not len(chosen) else chosen

    return before
