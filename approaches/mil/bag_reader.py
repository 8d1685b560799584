"""Reads the bags of studies at some points, as training or prediction sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.training.augmentation import brightness_contrast
from bench.training.crops import CropReader, Crops

from .bags import STREAMS, collect, draw
from .severity_config import Severity


class BagReader:
    """Finds and reads the bags of some studies at some points."""

    def __init__(
        self, studies: Sequence[Study], keypoints: Keypoints, config: Severity, streams: Sequence[str], context: Context
    ) -> None:
        self.config, self.device = config, context.device
        self.bags = {name: collect(studies, keypoints, STREAMS[name], config) for name in streams}
        self.sizes = {name: getattr(config.windows, name).size for name in streams}
        self.readers = {size: CropReader(context.volumes, size, context.device) for size in set(self.sizes.values())}

    def read(
        self,
        rows: NDArray[np.int64],
        random: np.random.Generator | None = None,
        errors: Mapping[str, Sequence[float]] | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Crops]]:
        """Some studies' bags by stream: images (R * K, S, H, W), places of the marked slices (R * K,), and crops.

        With ``random`` as training sees them, shifted by the relative frequencies of ``errors`` of each kind.
        """
        images, marked, crops = {}, {}, {}
        for name, bags in self.bags.items():
            frequencies = None if errors is None else errors[bags.stream.errors]
            crops[name], places = draw(bags, rows, self.config, frequencies, random)
            images[name] = self.readers[self.sizes[name]].read(crops[name])
            if random is not None:
                images[name] = brightness_contrast(images[name], self.config.intensity, random)
            marked[name] = torch.from_numpy(places).to(self.device)
        return images, marked, crops
