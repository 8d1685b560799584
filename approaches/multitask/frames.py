"""Cropping: the part of a slice in which the localiser looks for points.

Axial slices are cropped to a region taken from the training studies' points. Sagittal slices are cropped to the spine
column, found in the image: endplates and discs are horizontal edges, one above the other, so the columns of pixels that
cross the spine have the strongest vertical gradients. A frame is an affine map, so points are carried over exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter1d

from bench.approach import Config
from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.imaging.volumes import Volumes
from bench.targets import AXIAL_T2, indices
from bench.training.stacks import Stack, StackReader
from bench.training.windows import WHOLE, Extent, pixels_to_relative, whole

_LOOK = 96  # pixels per side at which the column is looked for
_SLICES = 5  # in the middle of the series
_ROWS = (0.15, 0.85)  # of the image; above and below lie skin and air
_SMOOTH_MM = 6.0
_CENTRAL = 0.18  # standard deviation of where the spine usually lies, as a share of the width
_SHARPNESS = 4  # of the weights of which the column is the mean


class FrameConfig(Config):
    """Regions that are shown to the localiser.

    Attributes:
        anterior_mm, posterior_mm: how far a sagittal frame reaches from the column's middle.
        rows: its top and bottom, as shares of the slice.
        axial_margin: how far an axial frame reaches beyond the training studies' points, as a share of the slice.
        crop: off: whole slices, without any cropping.
    """

    anterior_mm: float = Field(default=50.0, gt=0)
    posterior_mm: float = Field(default=65.0, gt=0)
    rows: tuple[float, float] = (0.04, 0.96)
    axial_margin: float = Field(default=0.08, ge=0)
    crop: bool = True


class Frames:
    """The frame of every slice.

    Args:
        config: sizes.
        axial: the region of axial slices, see `axial_extent`.
        volumes: in which the spine column is looked for.
    """

    def __init__(self, config: FrameConfig, axial: Extent, volumes: Volumes) -> None:
        self.config, self.axial = config, axial
        self.reader = StackReader(volumes, (_LOOK, _LOOK), depth=_SLICES, pad=False)
        self._extents: dict[int, Extent] = {}

    def extent(self, series: Series) -> Extent:
        """The part of the series' slices that is shown."""
        if not self.config.crop:
            return WHOLE
        if series.description == AXIAL_T2:
            return self.axial
        if series.series_id not in self._extents:
            self._extents[series.series_id] = self._sagittal(series)
        return self._extents[series.series_id]

    def matrix(self, series: Series, index: int, *, flip: bool = False) -> NDArray[np.float64]:
        """The map (2, 3) of a slice's frame; see `bench.training.crops.Crops.matrices`."""
        return whole(series, index, extent=self.extent(series), flip=flip)

    def _sagittal(self, series: Series) -> Extent:
        middle = (len(series) - _SLICES) // 2
        chosen = np.arange(max(0, middle), min(len(series), max(0, middle) + _SLICES))
        images: Any = self.reader.read([Stack(series, chosen=chosen)])[0].numpy()  # (S, 96, 96)
        width_mm = float(series.shapes[chosen[0], 1] * series.spacings[chosen[0], 0])
        column = spine_column(images, width_mm)
        left, right = column - self.config.anterior_mm / width_mm, column + self.config.posterior_mm / width_mm
        top, bottom = self.config.rows
        return max(0.0, left), min(1.0, right), top, bottom


def spine_column(images: NDArray[np.float32], width_mm: float) -> float:
    """Where the spine column stands on sagittal slices (S, H, W), as a share 0..1 of their width.

    Args:
        images: slices in the orientation that is shown, head on top.
        width_mm: of a slice.
    """
    height, width = images.shape[1:]
    rows = images[:, int(_ROWS[0] * height) : int(_ROWS[1] * height)]
    edges = np.abs(np.diff(rows, axis=1)).mean(axis=(0, 1))  # (W,)
    smooth = gaussian_filter1d(edges, _SMOOTH_MM * width / width_mm)
    places = (np.arange(width) + 0.5) / width
    weights = smooth * np.exp(-0.5 * ((places - 0.5) / _CENTRAL) ** 2)
    if not weights.max() > 0:  # a blank series
        return 0.5
    weights = (weights / weights.max()) ** _SHARPNESS
    return float((weights * places).sum() / weights.sum())


def axial_extent(studies: Sequence[Study], keypoints: Keypoints, margin: float) -> Extent:
    """The smallest region with all recesses of the training studies, and a margin; all of the slice without any."""
    shares = []
    targets = np.array(indices("subarticular"))
    for row, place in np.argwhere(keypoints.known[:, targets]):
        target = targets[place]
        series = studies[row].get(int(keypoints.series[row, target]))
        matrix = whole(series, int(keypoints.slices[row, target]))
        shares.append(pixels_to_relative(matrix[None], keypoints.pixels[row, target][None, None])[0, 0])
    if not shares:
        return WHOLE
    (left, top), (right, bottom) = np.min(shares, axis=0) - margin, np.max(shares, axis=0) + margin
    low, high = np.clip([left, top], 0, 0.9), np.clip([right, bottom], 0.1, 1)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])
