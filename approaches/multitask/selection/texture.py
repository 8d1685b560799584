"""Features of one slice, by scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern
from skimage.filters import sobel
from skimage.measure import label, regionprops, shannon_entropy
from torch.nn.functional import adaptive_avg_pool2d

from .config import FeatureConfig, FeatureKind

_ORIENTATIONS, _HOG_CELLS = 6, 4
_LBP_NEIGHBOURS = 8
_GREY_LEVELS, _GREY_DISTANCES, _GREY_ANGLES = 16, (1, 3), (0.0, np.pi / 2)
_GREY_PROPERTIES = ("contrast", "homogeneity", "energy", "correlation")
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_BRIGHT_QUANTILE = 0.85
_EDGE = 0.05


def blocks(config: FeatureConfig) -> dict[FeatureKind, int]:
    """How many features each chosen kind has, in the order in which they follow each other."""
    sizes: dict[FeatureKind, int] = {
        "hog": _ORIENTATIONS * _HOG_CELLS**2,
        "lbp": _LBP_NEIGHBOURS + 2,
        "glcm": len(_GREY_PROPERTIES) * len(_GREY_DISTANCES) * len(_GREY_ANGLES),
        "entropy": 1,
        "edges": 2,
        "quantiles": len(_QUANTILES),
        "bright shape": 7,
        "thumbnail": config.thumbnail**2,
    }
    return {kind: size for kind, size in sizes.items() if kind in config.kinds}


def slice_features(image: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """(F,) features of a slice (H, W) with values in 0..1; F is the sum of `blocks`."""
    small = _averaged(image, config.size)
    parts = [_KINDS[kind](small, config) for kind in blocks(config)]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def _averaged(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(size, size) local means; torch's are several times as fast as scikit-image's, which compute in float64."""
    pixels = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    return adaptive_avg_pool2d(pixels[None], size)[0].numpy()


def _gradients(image: NDArray[np.float32], config: FeatureConfig) -> NDArray[Any]:
    """Histograms of oriented gradients of a grid of cells."""
    features: NDArray[Any] = hog(
        image,
        orientations=_ORIENTATIONS,
        pixels_per_cell=(config.size // _HOG_CELLS,) * 2,
        cells_per_block=(1, 1),
        feature_vector=True,
    )
    return features[: _ORIENTATIONS * _HOG_CELLS**2]


def _edges(image: NDArray[np.float32], _: FeatureConfig) -> list[float]:
    """Mean edge strength, and the share of pixels on an edge."""
    edges = sobel(image)
    return [float(edges.mean()), float((edges > _EDGE).mean())]


def _thumbnail(image: NDArray[np.float32], config: FeatureConfig) -> NDArray[Any]:
    return _averaged(image, config.thumbnail).ravel()


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(255 * image).astype(np.uint8)


def _local_patterns(image: NDArray[np.float32], _: FeatureConfig) -> NDArray[Any]:
    """Shares of the uniform local binary patterns."""
    patterns = local_binary_pattern(_bytes(image), _LBP_NEIGHBOURS, 1, method="uniform").astype(np.int64)
    return np.bincount(patterns.ravel(), minlength=_LBP_NEIGHBOURS + 2) / patterns.size


def _grey_levels(image: NDArray[np.float32], _: FeatureConfig) -> NDArray[Any]:
    """Haralick's properties of the co-occurrence of grey levels."""
    coarse = (_bytes(image) // (256 // _GREY_LEVELS)).astype(np.uint8)
    matrix = graycomatrix(coarse, _GREY_DISTANCES, _GREY_ANGLES, levels=_GREY_LEVELS, symmetric=True, normed=True)
    return np.concatenate([graycoprops(matrix, name).ravel() for name in _GREY_PROPERTIES])


def _bright_shape(image: NDArray[np.float32], _: FeatureConfig) -> list[float]:
    """The largest bright region in the middle half of the columns: on T2 the canal's fluid, on T1 fat.

    Area, height, width, eccentricity, filled share of its box, column and row of its centre; zeros without a region.
    """
    size = len(image)
    middle = image[:, size // 4 : size - size // 4]
    regions = label(middle > np.quantile(middle, _BRIGHT_QUANTILE))
    areas = np.bincount(regions.ravel())[1:]
    if not len(areas):
        return [0.0] * 7
    largest = regionprops((regions == 1 + int(np.argmax(areas))).astype(np.uint8))[0]
    top, left, bottom, right = largest.bbox
    row, column = largest.centroid
    shares = [largest.area / middle.size, (bottom - top) / size, (right - left) / size]
    return [*shares, largest.eccentricity, largest.extent, column / middle.shape[1], row / size]


_KINDS: dict[FeatureKind, Callable[[NDArray[np.float32], FeatureConfig], Any]] = {
    "hog": _gradients,
    "lbp": _local_patterns,
    "glcm": _grey_levels,
    "entropy": lambda image, _: [shannon_entropy(_bytes(image))],
    "edges": _edges,
    "quantiles": lambda image, _: np.quantile(image, _QUANTILES),
    "bright shape": _bright_shape,
    "thumbnail": _thumbnail,
}
