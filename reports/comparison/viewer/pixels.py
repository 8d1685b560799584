"""Slices as small pictures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from bench.imaging.study import Series
from bench.imaging.volumes import Volumes

LONGEST = 288  # pixels of the longer side
QUALITY = 55


def pictures(series: Series, volumes: Volumes) -> list[str]:
    """One data URI (WebP) per slice in anatomical order, windowed by its 1st and 99th percentile."""
    array, windows = volumes.array(series.series_id), volumes.window(series.series_id)
    return [
        _picture(np.asarray(array[index]), windows[index], series.shapes[index], series.spacings[index])
        for index in range(len(series))
    ]


def _picture(slice_: np.ndarray, window: np.ndarray, shape: np.ndarray, spacing: np.ndarray) -> str:
    height, width = (int(size) for size in shape)
    low, high = float(window[0]), max(float(window[1]), float(window[0]) + 1)
    grey = np.clip((slice_[:height, :width].astype(np.float32) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    size_mm = width * float(spacing[0]), height * float(spacing[1])
    scale = LONGEST / max(size_mm)
    size = max(1, round(size_mm[0] * scale)), max(1, round(size_mm[1] * scale))
    stream = io.BytesIO()
    Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).save(stream, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
