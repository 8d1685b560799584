"""The validation step of the last network's training: losses on an inner fold that is held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bench.approach import Context
from bench.targets import MISSING
from bench.training.losses import study_loss

from .classifier import Classifier
from .crop_reader import StudyCrops
from .defects import stale_points
from .grading_data import GradeBatch, GradeBatches
from .keypoint_config import KeypointAugmentation
from .keypoint_data import KeypointBatches
from .model import MultitaskNet
from .one_loop import found_keypoints, keypoint_objective
from .superres import Upscaler

if TYPE_CHECKING:
    from .grading_training import GradingTask


def validation(
    task: GradingTask, batches: GradeBatches, upscaler: Upscaler, context: Context
) -> Callable[[nn.Module], Mapping[str, float]]:
    """The losses on the held-out studies, unchanged by augmentation, at annotated points or else located ones.

    ``grades`` is the loss of the grades as in training, ``label`` that over all labels alike, ``keypoints`` that of the
    localiser in one loop, and ``loss`` the sum of ``grades`` and ``keypoints``.
    """
    grades = torch.from_numpy(task.grades.astype(np.int64))
    frames = _plain_frames(task, batches, context)

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, MultitaskNet)
        known = task.keypoints
        if task.defects.stale_validation:
            known = stale_points(task.studies, known, task.validation, batches.last_rows, task.frames)
        logits, labels, located = [], [], []
        for rows in np.array_split(task.validation, -(-len(task.validation) // task.config.schedule.batch_size)):
            keypoints, random = known, np.random.default_rng(0)
            if frames is not None:
                batch = GradeBatch(
                    rows, grades[rows], random, np.zeros(len(rows), bool), frames=frames.batch(rows, random)
                )
                located.append(float(keypoint_objective()(model, batch)["loss"]) * len(rows))
                keypoints = found_keypoints(batch, known)
            crops = task.reader.read(rows, keypoints)
            logits.append(model(enlarged(crops, upscaler, model.classifier), crops.present))
            labels.append(visible_grades(grades[rows].to(task.reader.device), crops))
        every, there = torch.cat(logits), torch.cat(labels)
        graded = float(study_loss(every, there, average=task.config.loss))
        values = {"grades": graded, "label": float(study_loss(every, there, average="label"))}
        if frames is None:
            return {"loss": graded, **values}
        keypoint_loss = sum(located) / len(task.validation)
        return {"loss": graded + keypoint_loss, "keypoints": keypoint_loss, **values}

    return validate


def _plain_frames(task: GradingTask, batches: GradeBatches, context: Context) -> KeypointBatches | None:
    """The localiser's images of all studies without augmentation; None where it is not trained in this loop."""
    if batches.frames is None:
        return None
    config = batches.frames.config.model_copy(update={"augmentation": KeypointAugmentation()})
    return KeypointBatches(task.studies, task.keypoints, task.frames, config, context, 0, unmarked=task.unmarked)


def visible_grades(grades: Tensor, crops: StudyCrops) -> Tensor:
    """Grades (B, 25) without those of targets that have no crop: a missing image teaches nothing."""
    own = torch.from_numpy(crops.own).to(grades.device)
    return grades.masked_fill(~own, MISSING)


def enlarged(crops: StudyCrops, upscaler: Upscaler, classifier: Classifier) -> dict[str, Tensor]:
    """The crops at the classifier's present size, by super-resolution where that is larger than they are."""
    size = int(classifier.size)
    return {name: upscaler(images, (size, size)) for name, images in crops.images.items()}
