"""The configuration of the localiser. The defaults are those of the write-up's notebook."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bench.approach import Config
from bench.training.augmentation import ShiftScaleRotate
from bench.training.augmentation.recipe import Augmentation
from bench.training.backbones import BackboneName, Pretrained
from bench.training.schedule import Schedule

from .frames import FrameConfig

Size = tuple[int, int]
Sharing = Literal["one", "plane", "kind"]
"""Which images share a backbone: all; sagittal ones and axial ones; or each kind of series has its own."""


class LocatorNetwork(Config):
    """A timm backbone as feature extractor with keypoint heads per kind of image.

    Attributes:
        backbone, pretrained: timm name; false, true, or the path of a weights file.
        sharing: which images share a backbone.
        head: ``mlp`` (regression from pooled features, as in the write-up) or ``heatmap`` (mean position under a
            softmax over a map; needs far fewer examples).
        hidden, axial_hidden, dropout: of ``mlp``: sizes of its hidden layers, on sagittal and on axial images.
        map_loss: of ``heatmap``: weight of the map's cross entropy beside the distance.
        sagittal_size, axial_size: (H, W) of a frame.
    """

    backbone: BackboneName
    pretrained: Pretrained = False
    sharing: Sharing = "plane"
    head: Literal["mlp", "heatmap"] = "mlp"
    hidden: tuple[int, ...] = (1024, 512, 256)
    axial_hidden: tuple[int, ...] = (1024, 512)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    map_loss: float = Field(default=0.0, ge=0)
    sagittal_size: Size = (490, 275)
    axial_size: Size = (310, 250)


class Curriculum(Config):
    """From completely annotated studies to all.

    Attributes:
        all_below: once the training loss of the keypoints has been below this (squared pixels, mean per coordinate),
            all studies are trained on.
        freeze_below: once it has been below this, the keypoint heads are frozen; None: never.
    """

    all_below: float = Field(gt=0)
    freeze_below: float | None = Field(default=None, gt=0)


class KeypointAugmentation(Config):
    """What happens to the localiser's images in training.

    Attributes:
        slice_shift: chance that a neighbour of the marked slice is shown, as selection may err.
        flip: chance that an axial image is mirrored, right and left points changing places.
        affine: shift, scale and rotation while the image is read.
        recipe: further changes to images that have been read; points move with them.
    """

    slice_shift: float = Field(default=0.0, ge=0, le=1)
    flip: float = Field(default=0.0, ge=0, le=1)
    affine: ShiftScaleRotate | None = None
    recipe: Augmentation | None = None


class KeypointConfig(Config):
    """The localiser and how its errors are measured.

    Attributes:
        inner_folds: into how many parts the training studies are split. A localiser is trained on all but one; its
            errors are measured on that one, and there it locates what annotators did not mark.
        splits: how many of these splits are used; together they are the ensemble that predicts. 0: none is trained,
            and only the region of axial slices is measured.
        mirror: slices of left foramina are shown in reverse, to look like right ones.
        frames, network, augmentation, schedule: see there.
        keep_mb: memory in MiB for the source pixels of each kind of image; training reads files in every epoch where
            they need more.
        curriculum: None: all studies from the start.
    """

    inner_folds: int = Field(default=5, ge=2)
    splits: int = Field(default=5, ge=0)
    mirror: bool = False
    frames: FrameConfig = FrameConfig()
    network: LocatorNetwork
    augmentation: KeypointAugmentation = KeypointAugmentation()
    keep_mb: int = Field(default=512, ge=0)
    curriculum: Curriculum | None = None
    schedule: Schedule

    @model_validator(mode="after")
    def _fits(self) -> KeypointConfig:
        if self.splits > self.inner_folds:
            raise ValueError(f"splits = {self.splits}: there are only {self.inner_folds} inner_folds")
        return self
