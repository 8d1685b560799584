"""Every number of the approach. The presets beside this file fill it in; the defaults are those of the write-up."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bench.approach import Config
from bench.training.augmentation import BrightnessContrast, ShiftScaleRotate
from bench.training.backbones import Pretrained
from bench.training.loop import Schedule
from bench.training.windows import WHOLE, Extent, Window

Size = tuple[int, int]


class DepthNetwork(Config):
    """Stage 1a: which slice, from the whole series.

    Attributes:
        predicts: ``slice`` (classification over the depth) or ``point`` (x, y and depth by L1; the depth is used).
        depth: slices that a series is padded, or if longer resampled, to.
        size: (H, W) of a slice.
        extent: the part of a slice that is looked at: left, right, top, bottom as shares of its width and height, once
            it is turned to show the back on the right and the head on top.
        widths, depths: channels and blocks of the four stages.
        pooling: ``volume`` as the write-up (one vector a series, a linear head over depth), or ``slice`` (one vector a
            slice, which keeps its place: needs far fewer examples).
        change, light: ShiftScaleRotate and brightness and contrast of the whole series, or none.
        schedule: how it is trained.
    """

    predicts: Literal["slice", "point"] = "slice"
    depth: int = 32
    size: Size = (384, 384)
    extent: Extent = WHOLE
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    depths: tuple[int, int, int, int] = (3, 3, 9, 3)
    pooling: Literal["volume", "slice"] = "volume"
    change: ShiftScaleRotate | None = None
    light: BrightnessContrast | None = None
    schedule: Schedule

    @model_validator(mode="after")
    def _fits(self) -> DepthNetwork:
        if min(self.size) < 64:
            raise ValueError(f"size {list(self.size)} is too small: the network halves it five times, give at least 64")
        if self.pooling == "volume" and self.depth < 16:
            raise ValueError(f"depth {self.depth} is too small: it is halved four times, give at least 16")
        if self.predicts == "point" and self.pooling == "slice":
            raise ValueError('predicts = "point" needs pooling = "volume"')
        left, right, top, bottom = self.extent
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"extent {list(self.extent)}: give left < right and top < bottom, each from 0 to 1")
        if self.predicts == "point" and self.extent != WHOLE:
            raise ValueError('predicts = "point" needs the whole slice: leave extent out')
        return self


class PointNetwork(Config):
    """Stages 1b and 1c: where on a slice.

    Attributes:
        backbone: timm name.
        pretrained: false, true, or the path of a weights file.
        size: (H, W) of the whole slice.
        head: ``pooled`` as the write-up (mean over the map, linear, sigmoid), or ``heatmap`` (mean position under a
            softmax over a finer map: also a point in 0..1 trained by L1, and needs far fewer examples).
        map_loss: beside L1, how much the cross entropy of the whole map towards its point weighs (``heatmap`` alone).
        change, light: ShiftScaleRotate and brightness and contrast of the slice, or none.
        schedule: how it is trained.
    """

    backbone: str
    pretrained: Pretrained = False
    size: Size = (384, 384)
    head: Literal["pooled", "heatmap"] = "pooled"
    map_loss: float = 0.0
    change: ShiftScaleRotate | None = None
    light: BrightnessContrast | None = None
    schedule: Schedule


class Location(Config):
    """Stage 1.

    Attributes:
        inner_folds: how many times the training studies are split into training and hold-out to train stage 1 and to
            see how it errs on studies it does not know. The networks of all splits together are the ensemble.
        splits: how many of these splits are used; one split of five is "one inner hold-out of a fifth".
        mirror: left and right foramina share one network and one head, the left side's slices taken in reverse, in
            stage 1a and 1b; left and right recess share theirs by flipping the image. Off: a head a side, as the
            write-up.
        joint: canal and foramina share the networks of stage 1b, each with heads of its own.
        together: the slices of a level's canal, left and right foramen are found together, from all their networks and
            the usual distances between them. Off: each on its own, as the write-up.
        agreement: canal, left and right foramen of a level are compared in the patient, and one that lies farther than
            this many mm on its slice from where each of the other two puts it, if these agree, is moved there.
            None: not compared, as the write-up.
        depth, more_depth: networks of stage 1a, for canal and foramina each: one, and more for an ensemble.
        sagittal, more_sagittal: networks of stage 1b, likewise.
        axial, more_axial: networks of stage 1c.
    """

    inner_folds: int = Field(default=5, ge=2)
    splits: int = Field(default=5, ge=1)
    mirror: bool = False
    joint: bool = False
    together: bool = False
    agreement: float | None = Field(default=None, gt=0)
    depth: DepthNetwork
    sagittal: PointNetwork
    axial: PointNetwork
    more_depth: tuple[DepthNetwork, ...] = ()
    more_sagittal: tuple[PointNetwork, ...] = ()
    more_axial: tuple[PointNetwork, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Location:
        if self.together and any(network.predicts != "slice" for network in self.all_depth):
            raise ValueError('together = true needs predicts = "slice" in every network of depth')
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


class Windows(Config):
    """The crops of all streams, by the write-up's table."""

    canal_sagittal: Window = Window(reach=(96, 32, 40, 40), size=(128, 224), lower=20)
    canal_axial: Window = Window(reach=(96, 96, 96, 96), size=(256, 256), inward=20)
    foraminal_sagittal: Window = Window(reach=(96, 64, 32, 32), size=(128, 224), lower=10)
    side_axial: Window = Window(reach=(144, 48, 96, 96), size=(256, 256))


class SeverityNetwork(Config):
    """One encoder family of stage 2 and how it is trained; ``options`` are timm's, such as a ``patch_size``."""

    backbone: str
    pretrained: Pretrained = False
    options: dict[str, Any] = Field(default_factory=dict)
    schedule: Schedule


class Severity(Config):
    """Stage 2.

    Attributes:
        backbone, pretrained, options, schedule: the encoder family and how it is trained.
        more: further families for an ensemble; the softmaxes are averaged.
        joint: one network grades all three conditions, with one encoder a kind of series (T2, T1, axial). Off: a
            network a condition and an encoder a stream, as the write-up.
        one_encoder: with ``joint``: the same encoder for all kinds of series.
        mirror: right-side crops are flipped (axial) and their slices reversed (sagittal) to look like left ones.
        level_bias: add a learned bias a condition and level to the logits: grades differ much between levels.
        canal_side: where the canal's axial bag lies in prediction: ``middle`` between the recesses, or at one at
            ``random``, as the write-up. In training it is always at one at random.
        bag: consecutive slices in a bag, an odd number.
        stack: the slices are channels of one image ("2.5D") instead of a bag.
        pooling: of a bag: ``lstm`` (two-layer bi-LSTM and attention), ``attention`` (self-attention) or ``mean``.
        slice_loss: weight of the auxiliary attention's loss; 0 is without.
        stream_loss: weight of each stream's own grade.
        jitter: before the crop: move the point by up to this many pixels of the 512 frame each way.
        shift_slices: before the crop: move the bag as far as stage 1 errs.
        change, light: after the crop.
        dropout: before the last layers.
        complete_only: train a condition on studies with all its labels alone, as the write-up.
        windows: the crops.
    """

    backbone: str
    pretrained: Pretrained = False
    options: dict[str, Any] = Field(default_factory=dict)
    schedule: Schedule
    more: tuple[SeverityNetwork, ...] = ()
    joint: bool = False
    one_encoder: bool = False
    mirror: bool = False
    level_bias: bool = False
    canal_side: Literal["middle", "random"] = "middle"
    bag: int = 5
    stack: bool = False
    pooling: Literal["lstm", "attention", "mean"] = "lstm"
    slice_loss: float = 1.0
    stream_loss: float = 0.5
    jitter: float = 10.0
    shift_slices: bool = True
    change: ShiftScaleRotate = ShiftScaleRotate()
    light: BrightnessContrast = BrightnessContrast()
    dropout: float = 0.1
    complete_only: bool = True
    windows: Windows = Windows()

    @model_validator(mode="after")
    def _fits(self) -> Severity:
        if self.bag < 1 or self.bag % 2 == 0:
            raise ValueError(f"bag = {self.bag}: give an odd number, so that the bag has a middle")
        return self

    @property
    def networks(self) -> tuple[SeverityNetwork, ...]:
        """The ensemble."""
        first = SeverityNetwork(
            backbone=self.backbone, pretrained=self.pretrained, options=self.options, schedule=self.schedule
        )
        return (first, *self.more)


class MILConfig(Config):
    """The two stages."""

    location: Location
    severity: Severity
