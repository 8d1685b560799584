"""The configuration of stage 1: the networks that locate. The defaults are those of the write-up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bench.training.augmentation import BrightnessContrast, ShiftScaleRotate
from bench.training.backbones import BackboneName, Pretrained
from bench.training.loop import Schedule
from bench.training.point_heads import HeadName
from bench.training.windows import WHOLE, Extent, check_extent

from .renamed import Renamed

Size = tuple[int, int]


class DepthNetwork(Renamed):
    """A network of stage 1a, which finds slices from a whole series.

    Attributes:
        predicts: ``slice`` (classification over the depth) or ``point`` (x, y and depth by L1; the depth is used).
        depth: slices that a series is padded to, or if longer resampled to.
        size: (H, W) of a slice.
        extent: the part of a slice that is shown: left, right, top, bottom as fractions of its width and height, in the
            orientation with the back on the right and the head on top.
        widths, depths: channels and blocks of the four stages.
        pooling: ``volume`` as in the write-up (one vector per series, a linear head over depth), or ``slice`` (one
            vector per slice, which keeps its position: needs far fewer examples).
        affine, intensity: augmentation of the whole series, or none.
        schedule: how it is trained.
    """

    predicts: Literal["slice", "point"] = "slice"
    depth: int = 32
    size: Size = (384, 384)
    extent: Extent = WHOLE
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    depths: tuple[int, int, int, int] = (3, 3, 9, 3)
    pooling: Literal["volume", "slice"] = "volume"
    affine: ShiftScaleRotate | None = None
    intensity: BrightnessContrast | None = None
    schedule: Schedule

    @model_validator(mode="after")
    def _fits(self) -> DepthNetwork:
        if min(self.size) < 64:
            raise ValueError(f"size {list(self.size)} is too small: the network halves it five times, give at least 64")
        if self.pooling == "volume" and self.depth < 16:
            raise ValueError(f"depth {self.depth} is too small: it is halved four times, give at least 16")
        if self.predicts == "point" and self.pooling == "slice":
            raise ValueError('predicts = "point" needs pooling = "volume"')
        check_extent(self.extent)
        if self.predicts == "point" and self.extent != WHOLE:
            raise ValueError('predicts = "point" needs the whole slice: leave extent out')
        return self


class PointNetwork(Renamed):
    """A network of stage 1b or 1c, which finds points on a slice.

    Attributes:
        backbone: timm name.
        pretrained: false, true, or the path of a weights file.
        size: (H, W) of the whole slice.
        head: ``pooled`` as in the write-up (regression from pooled features), or ``heatmap`` (mean position under a
            softmax over a finer map; needs far fewer examples).
        map_loss: weight of the heatmap's cross entropy beside L1 (``heatmap`` alone).
        affine, intensity: augmentation of the slice, or none.
        schedule: how it is trained.
    """

    backbone: BackboneName
    pretrained: Pretrained = False
    size: Size = (384, 384)
    head: HeadName = "pooled"
    map_loss: float = 0.0
    affine: ShiftScaleRotate | None = None
    intensity: BrightnessContrast | None = None
    schedule: Schedule


class Location(Renamed):
    """Stage 1.

    Attributes:
        inner_folds: into how many parts the training studies are split. Stage 1 is trained on all but one,
            and its errors are measured on that one. The networks of all splits together are the ensemble.
        splits: how many of these splits are used.
        mirror: left and right foramina share outputs in stages 1a and 1b, the left side's slices shown in reverse; left
            and right recess share theirs by flipping the image. Off: outputs per side, as in the write-up.
        joint: canal and foramina share the networks of stage 1b, with outputs per structure.
        joint_slices: the slices of a level's canal, left and right foramen are found jointly, from all their networks
            and the usual distances between them. Off: independently, as in the write-up.
        outlier_threshold_mm: canal, left and right foramen of a level are compared in the patient. If two of them agree
            on where the third lies on its slice, and it lies farther from there than this, it is moved there.
            None: not compared, as in the write-up.
        half_weights: keep the weights of trained networks in fp16, in half the disk space.
        depth, more_depth: the networks of stage 1a, for canal and foramina each: one, and more for an ensemble.
        sagittal, more_sagittal: the networks of stage 1b, likewise.
        axial, more_axial: the networks of stage 1c.
    """

    inner_folds: int = Field(default=5, ge=2)
    splits: int = Field(default=5, ge=1)
    mirror: bool = False
    joint: bool = False
    joint_slices: bool = False
    outlier_threshold_mm: float | None = Field(default=None, gt=0)
    half_weights: bool = False
    depth: DepthNetwork
    sagittal: PointNetwork
    axial: PointNetwork
    more_depth: tuple[DepthNetwork, ...] = ()
    more_sagittal: tuple[PointNetwork, ...] = ()
    more_axial: tuple[PointNetwork, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Location:
        if self.joint_slices and any(network.predicts != "slice" for network in self.all_depth):
            raise ValueError('joint_slices = true needs predicts = "slice" in every network of depth')
        return self

    @property
    def all_depth(self) -> tuple[DepthNetwork, ...]:
        """The ensemble of stage 1a."""
        return (self.depth, *self.more_depth)

    @property
    def all_sagittal(self) -> tuple[PointNetwork, ...]:
        """The ensemble of stage 1b."""
        return (self.sagittal, *self.more_sagittal)

    @property
    def all_axial(self) -> tuple[PointNetwork, ...]:
        """The ensemble of stage 1c."""
        return (self.axial, *self.more_axial)
