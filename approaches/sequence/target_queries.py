"""One learnt query per target: it attends to places of the whole scan by what they show and where they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.targets import CONDITIONS, LEVELS, TARGETS

from .anatomy import CONDITION_OF, LEVEL_OF, SIDES, USUAL, Anatomy
from .config import Network
from .slice_choice import KINDS

_KEY_WIDTH = 16
_START_SPREAD_MM = 7.0
_GLIMPSES_APART_MM = 4.0
_TARGETS_OF = [[target for target, one in enumerate(CONDITION_OF.tolist()) if one == n] for n in range(len(CONDITIONS))]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What queries attend to in one type of scan of B studies.

    Attributes:
        features: (B, T, C).
        positions: (B, T, 3) mm from the middle of the study.
        present: (B, T).
    """

    features: Tensor
    positions: Tensor
    present: Tensor


@dataclass(frozen=True, slots=True)
class Attended:
    """What target queries found.

    Attributes:
        logits: (B, 25, 3), without the class prior.
        levels: by type of scan (B, 5, T) log attention of the levels; -inf in a type that was not used for a study.
        targets: by type of scan (B, 25, T) log attention of the targets.
    """

    logits: Tensor
    levels: dict[str, Tensor]
    targets: dict[str, Tensor]


class TargetQueries(nn.Module):
    """Two steps of cross-attention and a head per condition.

    First a query per level finds the canal at its level in one type of scan (sagittal T2, else T1, else axial); the
    mean position of what it attends to is the level's place. Then a query per target attends, in each type of scan by
    itself, around that place moved by its condition's offset, to the left or the right. The score of a place is the
    product of query and key plus a Gaussian of its distance in mm along each axis. Offsets and spreads are learnt.
    Sides share everything but the sign of x and an embedding; levels share heads.
    """

    def __init__(self, config: Network, features: int) -> None:
        super().__init__()
        kinds, conditions, glimpses = len(KINDS), len(CONDITIONS), config.glimpses
        # Keys are narrow, and values are made of what was attended to (both are linear): there are thousands of cells.
        narrow = min(features, _KEY_WIDTH)
        self.scale = 1 / math.sqrt(narrow)
        self.keys = nn.ModuleList(nn.Linear(features, narrow) for _ in KINDS)
        self.values = nn.Linear(features, features)
        self.level_queries = nn.Parameter(torch.randn(len(LEVELS), narrow))
        self.level_places = nn.Parameter(USUAL.levels.clone())
        self.level_spreads = nn.Parameter(USUAL.spreads.log())
        self.queries = nn.Parameter(torch.randn(kinds, len(TARGETS), glimpses, narrow) / 2)
        around = torch.randn(conditions, kinds, glimpses, 3) * (_GLIMPSES_APART_MM if glimpses > 1 else 0.0)
        self.offsets = nn.Parameter(USUAL.offsets.to(around.device)[:, None, None] + around)
        self.spreads = nn.Parameter(torch.full((conditions, kinds, glimpses, 3), math.log(_START_SPREAD_MM)))
        self.missing = nn.Parameter(torch.zeros(kinds, glimpses * features))
        joined = kinds * glimpses * features
        self.target_embedding = nn.Parameter(torch.zeros(len(TARGETS), config.hidden))
        self.inner = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(joined), nn.Linear(joined, config.hidden)) for _ in CONDITIONS
        )
        self.outer = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Dropout(config.dropout), nn.Linear(config.hidden, 3)) for _ in CONDITIONS
        )
        for head in self.outer:
            nn.init.zeros_(head[-1].weight)  # type: ignore[index]
            nn.init.zeros_(head[-1].bias)  # type: ignore[index]
        self.register_buffer(
            "sides", torch.stack([SIDES, torch.ones_like(SIDES), torch.ones_like(SIDES)], dim=1), persistent=False
        )

    def start(self, anatomy: Anatomy) -> None:
        """Begin at the places where the annotators of the training studies marked levels and conditions."""
        self.level_places.data.copy_(anatomy.levels)
        self.level_spreads.data.copy_(anatomy.spreads.log())
        self.offsets.data += (anatomy.offsets - USUAL.offsets)[:, None, None]

    def forward(self, tokens: dict[str, Tokens]) -> Attended:
        """Grade all targets from the tokens of every type of scan."""
        keys = {kind: self.keys[number](tokens[kind].features) * self.scale for number, kind in enumerate(KINDS)}
        places, levels = self._levels(tokens, keys)
        sides: Tensor = self.sides  # type: ignore[assignment]
        targets, pooled = {}, []
        for number, kind in enumerate(KINDS):
            offsets = self.offsets[CONDITION_OF, number] * sides[:, None]  # (25, G, 3)
            centres = places[:, LEVEL_OF][:, :, None] + offsets  # (B, 25, G, 3)
            near = gaussian(tokens[kind].positions, centres, self.spreads[CONDITION_OF, number].exp())
            scores = torch.einsum("tgc,bnc->btgn", self.queries[number], keys[kind]) + near  # (B, 25, G, T)
            weights = _softmax(scores, tokens[kind].present[:, None, None])
            found = torch.einsum("btgn,bnc->btgc", weights, tokens[kind].features)  # (B, 25, G, C)
            found = self.values(found).flatten(2)  # (B, 25, G * C)
            there = tokens[kind].present.any(dim=1)[:, None, None]
            pooled.append(torch.where(there, found, self.missing[number]))
            targets[kind] = weights.mean(dim=2).clamp(min=1e-12).log()
        return Attended(self._grades(torch.cat(pooled, dim=2)), levels, targets)

    def _levels(self, tokens: dict[str, Tokens], keys: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, 5, 3) the place of each level, and the log attention (B, 5, T) by type of scan."""
        free = torch.ones_like(tokens[KINDS[0]].present.any(dim=1))  # (B,) no type of scan has been used yet
        places = torch.zeros_like(self.level_places)
        levels: dict[str, Tensor] = {}
        for kind in KINDS:
            present = tokens[kind].present
            used = free & present.any(dim=1)
            free = free & ~used
            near = gaussian(tokens[kind].positions, self.level_places[None, :, None], self.level_spreads.exp())[:, :, 0]
            scores = self.level_queries @ keys[kind].mT + near  # (B, 5, T)
            weights = _softmax(scores, (present & used[:, None])[:, None])
            places = places + weights @ tokens[kind].positions
            levels[kind] = weights.clamp(min=1e-12).log()
        return torch.where(free[:, None, None], self.level_places, places), levels

    def _grades(self, joined: Tensor) -> Tensor:
        """(B, 25, 3) logits of what was found (B, 25, kinds * G * C)."""
        parts = []
        for number in range(len(CONDITIONS)):
            mine = _TARGETS_OF[number]
            parts.append(self.outer[number](self.inner[number](joined[:, mine]) + self.target_embedding[mine]))
        return torch.cat(parts, dim=1)  # targets stand in the order of conditions


def gaussian(positions: Tensor, centres: Tensor, spreads: Tensor) -> Tensor:
    """(B, K, G, T) log densities, up to a constant, of positions (B, T, 3) about centres (B or 1, K, G, 3).

    Written as one product of [p², p, 1] with coefficients, so that no array of (K, G, T, 3) is made.
    """
    precision = 0.5 / spreads.square()  # broadcasts to (K, G, 3)
    precision = precision.expand(centres.shape[1:])
    constant = -(centres.square() * precision).sum(dim=-1, keepdim=True)  # (B, K, G, 1)
    ahead = torch.cat([-precision.expand(centres.shape), 2 * centres * precision, constant], dim=-1)  # (B, K, G, 7)
    ones = torch.ones_like(positions[..., :1])
    powers = torch.cat([positions.square(), positions, ones], dim=-1)  # (B, T, 7)
    return torch.einsum("bkgj,btj->bkgt", ahead.expand(len(positions), -1, -1, -1), powers)


def _softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Softmax over the last axis among the allowed; zeros where none is."""
    weights = scores.masked_fill(~allowed, -1e9).softmax(dim=-1)
    return weights * allowed
