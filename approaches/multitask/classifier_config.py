"""The configuration of the classifier. The defaults are those of the write-up's notebook."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bench.approach import Config
from bench.training.augmentation import BrightnessContrast, ShiftScaleRotate
from bench.training.augmentation.flips import Mirror
from bench.training.augmentation.recipe import Augmentation
from bench.training.backbones import BackboneName, Pretrained
from bench.training.schedule import Schedule
from bench.training.windows import Window

from .keypoint_config import Sharing
from .streams import used_streams

# 64 of the 620 pixels that axial slices had, as pixels of a 512 frame; for sagittal slices the share is chosen alike.
_REACH = 64 / 620 * 512 / 2
_SQUARE = Window(reach=(_REACH, _REACH, _REACH, _REACH), size=(64, 64))


class Windows(Config):
    """The crops around points: on a condition's own series, and on axial slices of its level beside them.

    Attributes:
        canal_sagittal, foraminal_sagittal, recess_axial: around the point of the target.
        canal_axial: midway between the recesses of the level. Used with ``axial_context``.
        foraminal_axial: around the recess of the level and side. Used with ``axial_context``.
    """

    canal_sagittal: Window = _SQUARE
    foraminal_sagittal: Window = _SQUARE
    recess_axial: Window = _SQUARE
    canal_axial: Window = _SQUARE
    foraminal_axial: Window = _SQUARE


class CropSize(Config):
    """The size (H = W) in pixels that crops have from an epoch on, counted from 1."""

    first_epoch: int = Field(ge=1)
    size: int = Field(ge=8)


class CropAugmentation(Config):
    """What happens to crops in training.

    Attributes:
        jitter: share of the localiser's errors on inner hold-outs by which points are moved: 1 draws from these errors,
            0 leaves the points.
        shift_slices: slices are moved as often and as far as selection erred on inner hold-outs.
        mirror: a study is mirrored as a whole, the sides of its labels swapped; None: never.
        affine: shift, scale and rotation while a crop is read.
        intensity: brightness and contrast, or none.
        recipe: further changes to crops that have been read.
    """

    jitter: float = Field(default=0.0, ge=0)
    shift_slices: bool = False
    mirror: Mirror | None = None
    affine: ShiftScaleRotate | None = None
    intensity: BrightnessContrast | None = None
    recipe: Augmentation | None = None


class ClassifierConfig(Config):
    """The second pass.

    Attributes:
        backbone, pretrained, options: timm name; false, true, or the path of a weights file; further timm arguments.
        sharing: which kinds of crops share a backbone.
        heads: ``target``: a head per condition, level and side (25), as in the write-up. ``side``: both sides share one
            (15). ``condition``: levels share them too (3); then ``level_bias`` tells levels apart.
        hidden, dropout: of a head: sizes of its hidden layers.
        mirror: crops of the left side are shown like those of the right: axial ones flipped, sagittal slices reversed.
        level_bias: logits have a learned bias per condition and level, which starts at the class prior.
        axial_context: canal and foramina are graded from axial crops of their level too, which the write-up lacks.
        loss: what counts alike: ``target``, the 25 outputs, as in the write-up; ``condition``, as in the metric.
        sizes: of crops by epoch. Larger ones than the window's are made by super-resolution.
        augmentation: see there.
        complete_first: epochs at the beginning for which studies with all 25 points and labels are trained on alone.
            With ``staged`` training, points that were located count too.
        keep_mb: memory in MiB for the source pixels around all crops; training reads files in every epoch where they
            need more.
        validation_folds: one of this many inner folds is held out for the schedule's validation; None: none is.
        schedule: ``batch_size`` counts studies.
        windows: the crops.
    """

    backbone: BackboneName
    pretrained: Pretrained = False
    options: dict[str, Any] = Field(default_factory=dict)
    sharing: Sharing = "kind"
    heads: Literal["target", "side", "condition"] = "target"
    hidden: tuple[int, ...] = (512, 256)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    mirror: bool = False
    level_bias: bool = False
    axial_context: bool = False
    loss: Literal["target", "condition"] = "target"
    sizes: tuple[CropSize, ...] = (CropSize(first_epoch=1, size=64),)
    augmentation: CropAugmentation = CropAugmentation()
    complete_first: int = Field(default=0, ge=0)
    keep_mb: int = Field(default=1024, ge=0)
    validation_folds: int | None = Field(default=None, ge=2)
    schedule: Schedule
    windows: Windows = Windows()

    @property
    def crop_size(self) -> int:
        """The size (H = W) at which crops are read."""
        return self.windows.canal_sagittal.size[0]

    @model_validator(mode="after")
    def _fits(self) -> ClassifierConfig:
        sizes = {getattr(self.windows, stream.name).size for stream in used_streams(self.axial_context)}
        if len({side for size in sizes for side in size}) > 1:
            raise ValueError(f"windows have the sizes {sorted(sizes)}: give all the same, as high as wide")
        first = [one.first_epoch for one in self.sizes]
        if not first or first[0] != 1 or first != sorted(set(first)):
            raise ValueError(f"sizes begin in epochs {first}: give the first as 1, and each later than the one before")
        if self.heads != "target" and not self.mirror:
            raise ValueError(f'heads = "{self.heads}" shares heads between sides, which needs mirror = true')
        if self.heads == "condition" and not self.level_bias:
            raise ValueError('heads = "condition" shares heads between levels, which needs level_bias = true')
        return self

    def size_in(self, epoch: int) -> int:
        """The size of crops in an epoch counted from 1."""
        return [one.size for one in self.sizes if one.first_epoch <= epoch][-1]
