"""Every setting of the approach. The presets beside this file fill it in; the defaults are those of the write-up."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bench.approach import Config
from bench.training.augmentation.flips import Mirror
from bench.training.augmentation.recipe import Augmentation
from bench.training.backbones import BackboneName, Pretrained
from bench.training.loop import Schedule

from .scan_config import Preparation


class Network(Config):
    """The network.

    Attributes:
        backbone, pretrained, options: timm's network, its weights and further options.
        separate: a backbone for sagittal and one for axial slices, instead of one for all.
        scales: which feature maps are used, by their place in timm's list; fine to coarse.
        widths: features per scale after projection; their sum is the width of the transformer.
        cells: features per cell of the finest map that target queries attend to. 0: they attend to whole slices.
        type_embedding, position_embedding: beside the sinusoidal embedding of the place in the sequence, those of the
            type of scan and of the slice's middle in mm.
        first_attention: the write-up's attention layer with a residual, without norm, before the encoder.
        layers, heads, norm_first, dropout: of the transformer encoder.
        masked: absent slices take no part; off: they are images of zeros, as published.
        pooling: ``mean`` over the sequence, as published, or one learnt query per target (``queries``).
        glimpses: places that each target query attends to per type of scan.
        hidden: width of the heads of target queries.
        prior_bias: the logits start at the class prior.
    """

    backbone: BackboneName = "densenet121"
    pretrained: Pretrained = False
    options: dict[str, Any] = Field(default_factory=dict)
    separate: bool = False
    scales: tuple[int, ...] = (-3, -2, -1)
    widths: tuple[int, ...] = (96, 96, 192)
    cells: int = Field(default=0, ge=0)
    type_embedding: bool = True
    position_embedding: bool = True
    first_attention: bool = True
    layers: int = Field(default=8, ge=1)
    heads: int = Field(default=16, ge=1)
    norm_first: bool = False
    dropout: float = Field(default=0.2, ge=0, lt=1)
    masked: bool = True
    pooling: Literal["mean", "queries"] = "mean"
    glimpses: int = Field(default=1, ge=1)
    hidden: int = Field(default=64, ge=1)
    prior_bias: bool = True

    @property
    def width(self) -> int:
        """Features per slice in the transformer."""
        return sum(self.widths)

    @model_validator(mode="after")
    def _fits(self) -> Network:
        if len(self.scales) != len(self.widths):
            raise ValueError(f"{len(self.scales)} scales and {len(self.widths)} widths: give one width per scale")
        if self.width % self.heads:
            raise ValueError(f"widths sum to {self.width}, which {self.heads} heads do not divide")
        if self.cells and self.pooling == "mean":
            raise ValueError(f"cells = {self.cells} needs pooling = 'queries': the mean is over whole slices")
        return self


class Training(Config):
    """How the network learns.

    Attributes:
        schedule: epochs and rates; ``groups`` by parameter name, such as ``features.backbone``.
        augmentation: changes to a scan.
        each_slice: every slice is changed by itself, as happened in the published notebook; off: a scan as a whole.
        mirror: the patient is mirrored and the sides of the labels exchanged.
        mirror_prediction: logits are the mean over the study as it is and in the mirror.
        order: ``patient``: slices stand at their place. ``arbitrary``: within each scan they stand at each other's
            places, as in the published notebook, whose list of files had no order.
        average: what counts alike in the loss, see `bench.training.losses.study_loss`.
        marked_loss: weight of the auxiliary loss that draws the attention of target queries to the annotators' points;
            0: without.
        marked: whether it draws attention to the marked ``point`` or only to its ``slice``.
        hold_out: one of so many parts of the training studies is held out for early stopping.
    """

    schedule: Schedule
    augmentation: Augmentation = Augmentation()
    each_slice: bool = False
    mirror: Mirror | None = None
    mirror_prediction: bool = False
    order: Literal["patient", "arbitrary"] = "patient"
    average: Literal["label", "target", "condition"] = "condition"
    marked_loss: float = Field(default=0.0, ge=0)
    marked: Literal["point", "slice"] = "point"
    hold_out: int = Field(default=5, ge=2)


class SequenceConfig(Config):
    """Preparation, network and training."""

    preparation: Preparation = Preparation()
    network: Network = Network()
    training: Training

    @model_validator(mode="after")
    def _marks_need_queries(self) -> SequenceConfig:
        if self.training.marked_loss and self.network.pooling == "mean":
            raise ValueError("marked_loss needs pooling = 'queries': the mean has no attention to draw anywhere")
        return self
