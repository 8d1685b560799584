"""Training the pixel-shuffle network on the training studies' own slices, without labels or points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.imaging.study import Series, Study
from bench.training.checkpoints import load_model, save_model
from bench.training.crops import CropReader, Crops
from bench.training.loop import train

from .superres import BICUBIC, FACTOR, TRAINED, PixelShuffleNet, Upscaler, upscaler_from_file
from .superres_config import SuperresConfig, SuperresNetwork

_FILE = "superres.safetensors"


class PatchBatches:
    """Patches of slices at native resolution; the small ones are their means over 2 x 2 pixels.

    Args:
        series: to draw from.
        config: sizes and numbers.
        context: volumes and device.
        seed: of all draws.
    """

    def __init__(self, series: Sequence[Series], config: SuperresNetwork, context: Context, seed: int) -> None:
        self.series, self.config, self.seed = series, config, seed
        self.reader = CropReader(context.volumes, (config.patch, config.patch), context.device)

    def __len__(self) -> int:
        return -(-len(self.series) * self._per_series // self.config.schedule.batch_size)

    @property
    def _per_series(self) -> int:
        return self.config.slices_per_series * self.config.patches_per_slice

    def epoch(self, number: int) -> Iterator[tuple[Tensor, int]]:
        """As many patches of every series, in random order: (B, 1, patch, patch)."""
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(np.repeat(np.arange(len(self.series)), self._per_series))
        for chosen in np.array_split(order, len(self)):
            yield self.patches([self.series[index] for index in chosen], random), len(chosen)

    def patches(self, series: Sequence[Series], random: np.random.Generator) -> Tensor:
        """A random patch of each series."""
        half = self.config.patch / 2
        slices, matrices = [], []
        for one in series:
            index = int(random.integers(len(one)))
            size = one.shapes[index][::-1]  # width, height
            low = np.minimum(half, size / 2)
            x, y = np.floor(random.uniform(low, np.maximum(low, size - half))) - 0.5
            slices.append([index])
            matrices.append([[half, 0, x], [0, half, y]])  # on whole pixels: nothing is interpolated
        ids = np.array([one.series_id for one in series])
        return self.reader.read(Crops(ids, np.array(slices), np.array(matrices, dtype=np.float64)))


def train_superres(train_studies: Cohort, context: Context, config: SuperresNetwork) -> None:
    """Train the network and write it to the context's folder: what `Context.stage` builds."""
    series = all_series(train_studies.studies)
    torch.manual_seed(context.seed("superres weights"))
    batches = PatchBatches(series, config, context, context.seed("superres data"))
    model = train(PixelShuffleNet(config), batches, restoration_loss, config.schedule, context, stage="superres")
    save_model(context.folder / _FILE, model.cpu())


def restoration_loss(model: nn.Module, patches: Tensor) -> dict[str, Tensor]:
    """L1 between patches (B, 1, H, W) and what is restored from their means over 2 x 2 pixels."""
    restored = model(F.avg_pool2d(patches, FACTOR))
    return {"loss": F.l1_loss(restored.float(), patches)}


def all_series(studies: Sequence[Study]) -> list[Series]:
    """Every series of some studies."""
    return [series for study in studies for series in study.series]


def make_upscaler(config: SuperresConfig, folder: Path | None) -> Upscaler:
    """The upscaler of a configuration.

    Args:
        config: which.
        folder: where `train_superres` wrote, for ``trained``.
    """
    if config.upscaler == TRAINED:
        assert folder is not None, "the stage has to be trained first"
        network = PixelShuffleNet(config.network)
        load_model(folder / _FILE, network)
        return Upscaler(network, factor=FACTOR)
    return Upscaler() if config.upscaler == BICUBIC else upscaler_from_file(Path(config.upscaler).expanduser())
