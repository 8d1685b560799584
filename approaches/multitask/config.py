"""Every number of the approach. The presets beside this file fill it in."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from bench.approach import Config

from .classifier_config import ClassifierConfig
from .defects import Defects
from .keypoint_config import KeypointConfig
from .selection import SelectionConfig
from .superres_config import SuperresConfig


class MultitaskConfig(Config):
    """Selection, keypoints, super-resolution and grades.

    Attributes:
        selection: of slices.
        keypoints: the localiser.
        superres: how crops are enlarged.
        classifier: the second pass.
        training: ``staged``: localisers are trained on inner splits in a stage that other jobs may share, then the
            classifier at annotators' points moved by the localisers' errors on inner hold-outs. ``one_loop``: one model
            learns both from the same batches, as in the write-up.
        joint_gradient: with ``one_loop``: the loss of the grades trains the localiser too, through the places of crops.
        defects: of the published code that are put back.
    """

    selection: SelectionConfig
    keypoints: KeypointConfig
    superres: SuperresConfig = SuperresConfig()
    classifier: ClassifierConfig
    training: Literal["staged", "one_loop"] = "staged"
    joint_gradient: bool = False
    defects: Defects = Defects()

    @model_validator(mode="after")
    def _fits(self) -> MultitaskConfig:
        if self.joint_gradient and self.training == "staged":
            raise ValueError('joint_gradient = true needs training = "one_loop"')
        if self.defects.stale_validation and self.classifier.validation_folds is None:
            raise ValueError("defects.stale_validation = true needs classifier.validation_folds")
        return self

    @property
    def needs_errors(self) -> bool:
        """Whether localisers of inner splits are needed: to predict, or to know by how much points are moved."""
        return self.training == "staged" or self.classifier.augmentation.jitter > 0
