"""The configuration of stage 2: the networks that grade. The defaults are those of the write-up."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bench.approach import Config
from bench.training.augmentation import BrightnessContrast, ShiftScaleRotate
from bench.training.backbones import BackboneName, Pretrained
from bench.training.loop import Schedule
from bench.training.windows import Window

from .renamed import Renamed


class Windows(Config):
    """The crops of all streams, by the write-up's table."""

    canal_sagittal: Window = Window(reach=(96, 32, 40, 40), size=(128, 224), lower=20)
    canal_axial: Window = Window(reach=(96, 96, 96, 96), size=(256, 256), inward=20)
    foraminal_sagittal: Window = Window(reach=(96, 64, 32, 32), size=(128, 224), lower=10)
    side_axial: Window = Window(reach=(144, 48, 96, 96), size=(256, 256))


class SeverityNetwork(Config):
    """One encoder family of stage 2 and how it is trained; ``options`` are timm's, such as a ``patch_size``."""

    backbone: BackboneName
    pretrained: Pretrained = False
    options: dict[str, Any] = Field(default_factory=dict)
    schedule: Schedule


class Severity(Renamed):
    """Stage 2.

    Attributes:
        backbone, pretrained, options, schedule: the encoder family and how it is trained.
        more: further families for an ensemble; the softmaxes are averaged.
        joint: one network grades all three conditions, with one encoder per kind of series (T2, T1, axial). Off: a
            network per condition and an encoder per stream, as in the write-up.
        one_encoder: with ``joint``: one encoder for all kinds of series.
        mirror: right-side crops are flipped (axial) and left-side slices reversed (sagittal), so that both sides look
            alike.
        level_bias: add to the logits a learned bias per condition and level, which starts at the class prior.
        canal_side: where the canal's axial bag lies in prediction: ``middle`` between the recesses, or at one of
            them at ``random``, as in the write-up. In training it is always at one at random.
        bag: consecutive slices in a bag, an odd number.
        stack: the slices are channels of one image ("2.5D") instead of a bag.
        pooling: of a bag: ``lstm`` (two-layer bi-LSTM and attention), ``attention`` (self-attention) or ``mean``.
        class_weights: what the weighted cross entropy is divided by. ``batch``: the weights of the batch's labels, as
            PyTorch's own mean is. So in a batch of one study a severe label counts less, the more severe labels are
            with it. ``data_set``: the mean weight of the training labels, so that a label counts alike in any batch.
        slice_loss: weight of the auxiliary attention's loss; 0: without.
        stream_loss: weight of the loss of each stream's own grade.
        jitter: before the crop: shift the point by up to this many pixels of the 512 frame in x and y.
        shift_slices: before the crop: shift the bag by as many slices as stage 1 errs.
        affine, intensity: augmentation of the crop.
        dropout: before the last layers.
        complete_only: train a condition only on studies with all its labels, as in the write-up.
        windows: the crops.
    """

    backbone: BackboneName
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
    class_weights: Literal["batch", "data_set"] = "batch"
    slice_loss: float = 1.0
    stream_loss: float = 0.5
    jitter: float = 10.0
    shift_slices: bool = True
    affine: ShiftScaleRotate = ShiftScaleRotate()
    intensity: BrightnessContrast = BrightnessContrast()
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
