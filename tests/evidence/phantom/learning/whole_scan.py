"""The whole-scan reader: no points, only slices spread over the study and the mean positions of the targets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bench.approach import Context
from bench.datasets.phantom.labels import label_statistics
from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, CLASS_WEIGHTS, CONDITIONS, LEVELS, SAGITTAL_T1, SAGITTAL_T2, TARGETS, Target
from bench.training.loop import Schedule

from .examples import PARTS, SIZES, SLICES
from .fitting import fit

_STRIDE = 8  # pixels per cell of the encoder's feature map
_FEATURES = 48
_KINDS = {"spinal": SAGITTAL_T2, "foraminal": SAGITTAL_T1, "subarticular": AXIAL_T2}
_FROM_HEAD = (0.13, 0.31, 0.48, 0.69, 0.87)  # share of the axial slices above each level, from seeds below 10
_OUTWARD = 0.056  # of an axial image's width, from its middle to a recess


class WholeReader(nn.Module):
    """Logits of all targets: one encoder, and for each target a weighted mean over the cells of its kind of slice.

    A cell's log weight is the sum of a fixed term for its position (`usual_place`) and a learnt one for its content.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 12, 24, _FEATURES)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.Conv2d(_FEATURES, _FEATURES, 3, 1, 1, bias=False), nn.BatchNorm2d(_FEATURES), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        self.attention = nn.Linear(_FEATURES, len(CONDITIONS))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(_FEATURES, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3)) for _ in CONDITIONS
        )
        self.start = nn.Parameter(torch.zeros(len(TARGETS), 3))
        for condition in CONDITIONS:
            places = np.stack([usual_place(target) for target in TARGETS if target.condition == condition])
            self.register_buffer(f"place_{condition}", torch.from_numpy(places).flatten(1))  # (T, cells)

    def start_from(self, probabilities: NDArray[np.float64]) -> None:
        """Make the untrained network predict these (25, 3) probabilities for any image."""
        with torch.no_grad():
            self.start.copy_(torch.from_numpy(np.log(probabilities)))
            for head in self.heads:
                nn.init.zeros_(head[-1].weight)  # type: ignore[index]
                nn.init.zeros_(head[-1].bias)  # type: ignore[index]

    def forward(self, sagittal: Tensor, axial: Tensor) -> Tensor:
        """(B, 25, 3) logits of sagittal (B, 13, H, W) and axial slices (B, 20, H, W)."""
        of_t2 = len(SLICES[SAGITTAL_T2])
        slices = {SAGITTAL_T2: sagittal[:, :of_t2], SAGITTAL_T1: sagittal[:, of_t2:], AXIAL_T2: axial}
        logits = []
        for number, condition in enumerate(CONDITIONS):
            images = slices[_KINDS[condition]]
            cells = self.encoder(images.flatten(0, 1)[:, None]).unflatten(0, images.shape[:2])
            cells = cells.permute(0, 1, 3, 4, 2).flatten(1, 3)  # (B, S * h * w, F)
            content = self.attention(cells)[..., number]  # (B, S * h * w)
            weights = (content[:, None] + getattr(self, f"place_{condition}")).softmax(dim=-1)
            logits.append(self.heads[number](weights @ cells))
        return torch.cat(logits, dim=1) + self.start


def usual_place(target: Target) -> NDArray[np.float32]:
    """(S, h, w) log weight of every cell: a normal distribution about the mean of the annotators' points."""
    kind = _KINDS[target.condition]
    height, width = (size // _STRIDE for size in SIZES[kind])
    top, bottom, left, right = PARTS[kind]
    y = top + (bottom - top) * (np.arange(height) + 0.5) / height
    x = left + (right - left) * (np.arange(width) + 0.5) / width
    share = np.array(SLICES[kind])
    if kind == AXIAL_T2:
        middle = 0.5 + {"left": _OUTWARD, "right": -_OUTWARD}[str(target.side)]
        x_mean, x_spread, y_mean, y_spread = middle, 0.03, 0.5, 0.04
        along = -(((share - _FROM_HEAD[LEVELS.index(target.level)]) / 0.08) ** 2) / 2
    else:
        words = f"{target.condition_words}|{target.level_words}"
        x_mean, x_spread, y_mean, y_spread = label_statistics()["relative_point_position_mean_sd_x_y"][words]
        mine = {"left": share > 0.5, "right": share < 0.5, None: np.full(len(share), True)}[target.side]
        along = np.where(mine, 0.0, -9.0)
    across = -(((x - x_mean) / x_spread) ** 2) / 2
    down = -(((y - y_mean) / y_spread) ** 2) / 2
    return np.asarray(along[:, None, None] + down[:, None] + across, dtype=np.float32)


def train_whole(
    sagittal: NDArray[np.uint8],
    axial: NDArray[np.uint8],
    grades: NDArray[np.int8],
    *,
    epochs: int,
    context: Context,
    stage: str,
) -> WholeReader:
    """Train on slices as `learning.examples.spread` makes them, with grades (N, 25), by the metric's own loss.

    Args:
        context: where checkpoints are kept.
        stage: their name; unique per data and reader.
    """
    torch.manual_seed(0)
    model = WholeReader()
    model.start_from(prior_probabilities(grades))
    weight = torch.tensor(CLASS_WEIGHTS)

    def loss(pick: NDArray[np.int64], random: np.random.Generator) -> Tensor:
        logits = model(_varied(sagittal[pick], random), _varied(axial[pick], random))
        truth = torch.from_numpy(grades[pick]).long().flatten()
        return functional.cross_entropy(logits.flatten(0, 1), truth, weight, ignore_index=-1)

    schedule = Schedule(epochs=epochs, batch_size=8, learning_rate=3e-3, weight_decay=0.05, warmup=0.2)
    fit(model, len(grades), loss, schedule, context, stage=stage)
    return model


@torch.no_grad()
def read_whole(model: WholeReader, sagittal: NDArray[np.uint8], axial: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, 25, 3) probabilities."""
    model.eval()
    parts = [
        model(_tensor(sagittal[start : start + 16]), _tensor(axial[start : start + 16])).softmax(-1)
        for start in range(0, len(sagittal), 16)
    ]
    return torch.cat(parts).double().numpy()


def _tensor(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images.astype(np.float32) / 64 - 1)


def _varied(images: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
    """Studies shifted by up to 4 pixels, and a little brighter or darker."""
    shifts = random.integers(-4, 5, (len(images), 2))
    moved = np.stack([np.roll(image, tuple(shift), axis=(1, 2)) for image, shift in zip(images, shifts, strict=True)])
    return _tensor(moved) * torch.from_numpy(random.normal(1, 0.1, (len(images), 1, 1, 1)).astype(np.float32))
