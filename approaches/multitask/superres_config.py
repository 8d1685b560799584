"""The configuration of super-resolution."""

from __future__ import annotations

from pydantic import Field

from bench.approach import Config
from bench.training.schedule import Schedule


class SuperresNetwork(Config):
    """The network that ``upscaler = "trained"`` learns.

    Attributes:
        width: channels of its hidden layers.
        layers: hidden layers of 3 x 3.
        patch: side in pixels of the patches that it is taught to restore.
        patches_per_slice, slices_per_series: how many are drawn per epoch.
        schedule: ``batch_size`` counts patches.
    """

    width: int = Field(default=32, ge=1)
    layers: int = Field(default=3, ge=1)
    patch: int = Field(default=64, ge=16)
    patches_per_slice: int = Field(default=4, ge=1)
    slices_per_series: int = Field(default=2, ge=1)
    schedule: Schedule = Schedule(epochs=6, batch_size=32, learning_rate=1e-3, weight_decay=0.0)


class SuperresConfig(Config):
    """How a crop is enlarged where the classifier's size is larger than the crop's.

    Attributes:
        upscaler: ``bicubic``; ``trained``, a small pixel-shuffle network learnt from the training studies' own slices;
            or the path of a local weights file (.safetensors, or .pth that torch loads with weights only) of any
            architecture that spandrel knows.
        network: of ``trained``.
    """

    upscaler: str = "bicubic"
    network: SuperresNetwork = SuperresNetwork()
