"""Trained networks that lie on the disk: each is in memory only while it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.training.checkpoints import load_model
from bench.training.precision import settle


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A trained network on the disk, so that an ensemble takes the memory of its largest member alone.

    Attributes:
        path: what `save_model` or a finished training (`save_finished`) wrote.
        build: makes an untrained network of the same architecture.
    """

    path: Path
    build: Callable[[], nn.Module]

    def load(self, device: str) -> Any:
        """The network on a device, in evaluation mode. It takes memory until the caller drops it.

        torch's global random generator is left as it was.

        Raises:
            DamagedError: the file is missing or is not what was written.
        """
        # Weights that were made in inference mode take other kernels (of an LSTM), which round differently.
        with torch.inference_mode(mode=False):
            with torch.random.fork_rng(devices=[]):
                model = self.build().eval()
            load_model(self.path, model)
            return settle(model, device)
