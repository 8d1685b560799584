"""The configuration of the preparation: which slices are shown, how much of each, and with which grey values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.approach import Config
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2


class Scan(Config):
    """How one type of scan is shown. The defaults are those of the write-up.

    Attributes:
        slices: the most slices that are taken, evenly spaced.
        spacing: ``published``: by the write-up's rule, which leaves out more at the beginning of the stack than at its
            end; ``centred``: as much at either end.
        within_mm: only slices at most so far from the middle of the stack are candidates; None: all of them.
        window_mm: the part of a slice that is shown, in mm from its middle to the left, right, top and bottom of the
            image; None: the write-up's (the spine's column on sagittal slices, a fixed part of axial ones).
        size: (H, W) in pixels.
    """

    slices: int = Field(default=10, ge=1)
    spacing: Literal["published", "centred"] = "published"
    within_mm: float | None = Field(default=None, gt=0)
    window_mm: tuple[float, float, float, float] | None = None
    size: tuple[int, int] = (224, 224)


class Preparation(Config):
    """What is computed once for all folds, from images and geometry alone.

    Attributes:
        sagittal_t1, sagittal_t2, axial_t2: how each type of scan is shown.
        intensity: ``adapted``: as the write-up adapts every slice (`intensity.adapted`); ``percentile``: 0 to 1 from
            the 1st to the 99th percentile of the slice.
    """

    sagittal_t1: Scan = Scan()
    sagittal_t2: Scan = Scan()
    axial_t2: Scan = Scan()
    intensity: Literal["adapted", "percentile"] = "adapted"

    def scan(self, description: str) -> Scan:
        """The settings of a type of scan, by its series description."""
        return {SAGITTAL_T1: self.sagittal_t1, SAGITTAL_T2: self.sagittal_t2, AXIAL_T2: self.axial_t2}[description]
