"""Every number of the approach. Presets (`quick.toml`) and ``--set key=value`` override the defaults."""

from __future__ import annotations

from pydantic import Field

from bench.approach import Config


class TemplateConfig(Config):
    """An unknown key is an error, and the bounds are checked before any data are touched.

    Attributes:
        crop_mm: width and height of the crop in the patient.
        pixels: width and height of the crop as the classifier sees it.
        steps: optimizer steps, each over all training studies.
        learning_rate: of Adam.
        weight_decay: pulls the weights to 0, where the prediction is the class prior; the more studies, the less.
    """

    crop_mm: float = Field(default=40.0, gt=0)
    pixels: int = Field(default=12, ge=2)
    steps: int = Field(default=150, ge=1)
    learning_rate: float = Field(default=0.003, gt=0)
    weight_decay: float = Field(default=10.0, ge=0)
