"""The small reader: a per-slice encoder, a bi-LSTM with attention over the bag, one head per condition."""

from __future__ import annotations

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bench.approach import Context
from bench.targets import CLASS_WEIGHTS, CONDITIONS, TARGETS
from bench.training.loop import Schedule

from .fitting import fit

_CONDITION = np.array([CONDITIONS.index(target.condition) for target in TARGETS])
_JITTER_PX = 2
_SHIFTS = ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))  # rows and columns


class BagReader(nn.Module):
    """Logits of the grades for bags of slices; 0.4 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = timm.create_model("test_resnet.r160_in1k", pretrained=False, in_chans=1, num_classes=0)
        features = self.encoder.num_features
        self.lstm = nn.LSTM(features, 48, bidirectional=True, batch_first=True)
        self.attention = nn.Linear(96, 1)
        self.heads = nn.Linear(96, len(CONDITIONS) * 3)

    def forward(self, bags: Tensor, conditions: Tensor) -> Tensor:
        """(B, 3) logits of bags (B, S, H, W) whose conditions (B,) are indices into `CONDITIONS`."""
        batch, slices = bags.shape[:2]
        features = self.encoder(bags.flatten(0, 1)[:, None]).unflatten(0, (batch, slices))  # (B, S, F)
        states, _ = self.lstm(features)  # (B, S, 96)
        weights = self.attention(states).softmax(dim=1)  # (B, S, 1)
        logits = self.heads((weights * states).sum(dim=1)).view(batch, len(CONDITIONS), 3)  # (B, conditions, 3)
        return logits[torch.arange(batch), conditions]


def train_reader(
    crops: NDArray[np.uint8],
    grades: NDArray[np.int8],
    *,
    epochs: int,
    context: Context,
    stage: str,
) -> BagReader:
    """Train on crops (N, T, S, H, W) of the first T targets with grades (N, T), by the metric's own loss.

    Args:
        context: where checkpoints are kept.
        stage: their name; unique per data and reader.
    """
    torch.manual_seed(0)
    model = BagReader()
    rows, targets = np.nonzero((grades >= 0) & crops.any(axis=(2, 3, 4)))
    weight = torch.tensor(CLASS_WEIGHTS)

    def loss(pick: NDArray[np.int64], random: np.random.Generator) -> Tensor:
        images = _augmented(crops[rows[pick], targets[pick]], random)
        logits = model(images, torch.from_numpy(_CONDITION[targets[pick]]))
        return functional.cross_entropy(logits, torch.from_numpy(grades[rows[pick], targets[pick]]).long(), weight)

    schedule = Schedule(epochs=epochs, batch_size=32, learning_rate=2e-3, weight_decay=0.02, warmup=0.15)
    fit(model, len(rows), loss, schedule, context, stage=stage)
    return model


@torch.no_grad()
def read(model: BagReader, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, T, 3) probabilities for crops (N, T, S, H, W): the mean over crops shifted as in training."""
    model.eval()
    studies, targets = crops.shape[:2]
    flat = crops.reshape(-1, *crops.shape[2:])
    conditions = torch.from_numpy(np.tile(_CONDITION[:targets], studies))
    total = torch.zeros(len(flat), 3, dtype=torch.float64)
    for shift in _SHIFTS:
        for start in range(0, len(flat), 256):
            images = _tensor(np.roll(flat[start : start + 256], shift, axis=(2, 3)))
            total[start : start + 256] += model(images, conditions[start : start + 256]).softmax(-1) / len(_SHIFTS)
    return total.numpy().reshape(studies, targets, 3)


def _tensor(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images.astype(np.float32) / 128 - 0.8)


def _augmented(images: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
    """Crops shifted by up to 2 pixels, and a little brighter or darker."""
    shifts = random.integers(-_JITTER_PX, _JITTER_PX + 1, (len(images), 2))
    moved = np.stack([np.roll(image, tuple(shift), axis=(1, 2)) for image, shift in zip(images, shifts, strict=True)])
    gain = torch.from_numpy(random.normal(1, 0.1, (len(images), 1, 1, 1)).astype(np.float32))
    return _tensor(moved) * gain
