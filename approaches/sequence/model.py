"""The network: whole scans in, grades of all 25 targets out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, TARGETS
from bench.training.precision import float32

from .config import Network
from .features import SliceFeatures
from .scan_config import Preparation
from .scans import Scans
from .slice_choice import KINDS
from .slice_encoder import SliceEncoder
from .target_queries import TargetQueries, Tokens


@dataclass(frozen=True, slots=True)
class Graded:
    """What the network says of B studies.

    Attributes:
        logits: (B, 25, 3).
        tokens: by type of scan, what target queries attended to; empty with mean pooling.
        levels, targets: by type of scan, log attention (B, 5, T) and (B, 25, T); empty with mean pooling.
        slices: by type of scan, attention (B, 25, S) over slices.
    """

    logits: Tensor
    tokens: dict[str, Tokens]
    levels: dict[str, Tensor]
    targets: dict[str, Tensor]
    slices: dict[str, Tensor]


class SequenceNet(nn.Module):
    """Slice features, a transformer over all slices, and a classifier of all targets."""

    def __init__(self, config: Network, preparation: Preparation) -> None:
        super().__init__()
        self.config = config
        self.counts = [preparation.scan(kind).slices for kind in KINDS]
        self.plane_of = {kind: _plane(kind) if config.separate else "all" for kind in KINDS}
        sizes = {
            plane: {preparation.scan(kind).size for kind in KINDS if self.plane_of[kind] == plane}
            for plane in self.plane_of.values()
        }
        self.features = nn.ModuleDict({plane: SliceFeatures(config, shapes) for plane, shapes in sizes.items()})
        self.encoder = SliceEncoder(config, sum(self.counts))
        self.queries: TargetQueries | None = None
        if config.pooling == "mean":
            self.classifier = nn.Linear(config.width, len(TARGETS) * 3)
        else:
            features = config.cells or config.width
            self.queries = TargetQueries(config, features)
            self.to_cells = nn.Linear(config.width, features) if config.cells else nn.Identity()
        self.prior = nn.Parameter(torch.zeros(len(TARGETS), 3)) if config.prior_bias else None
        types = torch.tensor([number for number, count in enumerate(self.counts) for _ in range(count)])
        self.register_buffer("types", types, persistent=False)

    def start_at_prior(self, grades: NDArray[np.int8]) -> None:
        """Let the logits begin at the weighted class prior of training grades (M, 25)."""
        if self.prior is not None:
            self.prior.data.copy_(torch.from_numpy(np.log(prior_probabilities(grades))))

    def forward(self, scans: dict[str, Scans]) -> Graded:
        """Grade B studies from their scans by series description."""
        return self.graded(scans, *self._slices(scans))

    def graded(self, scans: dict[str, Scans], slices: Tensor, cells: dict[str, Tensor]) -> Graded:
        """Grade B studies from features (B, S, F) of their slices, and cells (B, S, h, w, C) by type of scan."""
        with float32(slices.device):
            present = torch.cat([scans[kind].present for kind in KINDS], dim=1)  # (B, S)
            middles = torch.cat([scans[kind].maps[..., 2] for kind in KINDS], dim=1)  # (B, S, 3)
            # A study without any slice must not mask all: it is graded by the class prior anyway.
            absent = ~present & present.any(dim=1, keepdim=True) & self.config.masked
            states = self.encoder(slices, self.types, middles, absent)  # (B, S, F)
            if self.queries is None:
                return self._mean(scans, states, absent)
            return self._queried(self.queries, scans, states, cells)

    def _slices(self, scans: dict[str, Scans]) -> tuple[Tensor, dict[str, Tensor]]:
        """Features (B, S, F) of all slices, and cells (B, S, h, w, C) by type of scan.

        Slices of one size go through a backbone together: a batch norm sees in training the mixture that its running
        statistics stand for in prediction. Absent slices do not pass it, unless they stand for images of zeros.
        """
        groups: dict[tuple[str, torch.Size], list[str]] = {}
        for kind in KINDS:
            groups.setdefault((self.plane_of[kind], scans[kind].images.shape[2:]), []).append(kind)
        features: dict[str, Tensor] = {}
        cells: dict[str, Tensor] = {}
        for (plane, _), kinds in groups.items():
            shown = [_shown(scans[kind], self.config.masked) for kind in kinds]
            images = torch.cat([scans[kind].images[one] for kind, one in zip(kinds, shown, strict=True)])  # (N, H, W)
            vectors, found = self.features[plane](images)
            counts = [int(one.sum()) for one in shown]
            for kind, one, part in zip(kinds, shown, vectors.split(counts), strict=True):
                features[kind] = _spread(part, one)
            if found is not None:
                cells |= {
                    kind: _spread(part, one) for kind, one, part in zip(kinds, shown, found.split(counts), strict=True)
                }
        return torch.cat([features[kind] for kind in KINDS], dim=1), cells

    def _mean(self, scans: dict[str, Scans], states: Tensor, absent: Tensor) -> Graded:
        shares = (~absent).float() / (~absent).sum(dim=1, keepdim=True)  # (B, S)
        logits = self.classifier((shares[..., None] * states).sum(dim=1)).unflatten(1, (len(TARGETS), 3))
        parts = shares[:, None].expand(-1, len(TARGETS), -1).split(self.counts, dim=2)
        slices = {kind: part * scans[kind].present[:, None] for kind, part in zip(KINDS, parts, strict=True)}
        return Graded(self._with_prior(logits), {}, {}, {}, slices)

    def _queried(
        self, queries: TargetQueries, scans: dict[str, Scans], states: Tensor, cells: dict[str, Tensor]
    ) -> Graded:
        tokens = {}
        for kind, part in zip(KINDS, states.split(self.counts, dim=1), strict=True):
            related = self.to_cells(part)  # (B, S, C)
            if self.config.cells:
                height, width = cells[kind].shape[2:4]
                features = (cells[kind] + related[:, :, None, None]).flatten(1, 3)
                positions = cell_positions(scans[kind].maps, height, width)
            else:
                height, width, features, positions = 1, 1, related, scans[kind].maps[..., 2]
            shown = scans[kind].present if self.config.masked else torch.ones_like(scans[kind].present)
            present = shown.repeat_interleave(height * width, dim=1)
            tokens[kind] = Tokens(features, positions, present)
        found = queries(tokens)
        slices = {
            kind: (found.targets[kind].exp() * tokens[kind].present[:, None]).unflatten(2, (count, -1)).sum(dim=3)
            for kind, count in zip(KINDS, self.counts, strict=True)
        }
        return Graded(self._with_prior(found.logits), tokens, found.levels, found.targets, slices)

    def _with_prior(self, logits: Tensor) -> Tensor:
        return logits if self.prior is None else logits + self.prior


def _plane(kind: str) -> str:
    return "axial" if kind == AXIAL_T2 else "sagittal"


def cell_positions(maps: Tensor, height: int, width: int) -> Tensor:
    """(B, S * h * w, 3) the middle of every cell, mm, of slices with maps (B, S, 3, 3)."""
    b, a = ((torch.arange(count, device=maps.device) * 2 + 1) / count - 1 for count in (height, width))
    rows, columns = torch.meshgrid(b, a, indexing="ij")
    places = torch.stack([columns, rows, torch.ones_like(rows)]).flatten(1)  # (3, h * w)
    return (maps @ places).mT.flatten(1, 2)  # (B, S, 3, h * w) -> (B, S * h * w, 3)


def _shown(scans: Scans, masked: bool) -> Tensor:
    """(B, S) which slices pass the backbone: never none at all, which a backbone cannot take."""
    if not masked:
        return torch.ones_like(scans.present)
    shown = scans.present
    if not bool(shown.any()):
        shown = shown.clone()
        shown[0, 0] = True
    return shown


def _spread(values: Tensor, shown: Tensor) -> Tensor:
    """Values (N, ...) of the slices that are shown, as (B, S, ...) with zeros for the others."""
    spread = values.new_zeros((*shown.shape, *values.shape[1:]))
    spread[shown] = values
    return spread
