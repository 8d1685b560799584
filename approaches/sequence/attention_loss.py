"""The auxiliary loss: the attention of target queries should fall where annotators marked the target."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bench.targets import indices

from .model import Graded
from .target_queries import Tokens, gaussian

_SPREAD_MM = 4.0
_FARTHEST_MM = 12.0


def attention_loss(graded: Graded, points: Tensor, marked: Literal["point", "slice"]) -> Tensor:
    """Mean cross entropy from where points lie to where attention falls, over levels and targets, types of scan alike.

    Each point is projected into every type of scan: a target's place is one in the patient. A point farther than 12 mm
    from all that is shown counts for nothing there.

    Args:
        graded: what the network says.
        points: (B, 25, 3) mm, NaN where unknown.
        marked: ``point``: over all tokens; ``slice``: over slices.
    """
    total, count = points.new_zeros(()), points.new_zeros(())
    canal = points[:, list(indices("spinal"))]
    for kind, tokens in graded.tokens.items():
        slices = graded.slices[kind].shape[2]
        for log_weights, places in ((graded.targets[kind], points), (graded.levels[kind], canal)):
            share, known = _shares(tokens, places)
            # A level's query looks at one type of scan: elsewhere its attention is 0.
            known = known & (log_weights.exp().sum(dim=2) > 0.5)
            losses = _cross_entropy(share, log_weights, slices if marked == "slice" else None)
            total = total + (losses * known).sum()
            count = count + known.sum()
    return total / count.clamp(min=1)


def _shares(tokens: Tokens, points: Tensor) -> tuple[Tensor, Tensor]:
    """(B, K, T) how the points' mass falls on the tokens, and (B, K) which points are there and shown."""
    known = ~points.isnan().any(dim=2)
    centres = torch.nan_to_num(points)[:, :, None]  # (B, K, 1, 3)
    spread = torch.full_like(centres[0], _SPREAD_MM)
    logs = gaussian(tokens.positions, centres, spread)[:, :, 0].masked_fill(~tokens.present[:, None], -torch.inf)
    nearest = logs.amax(dim=2)
    shown = nearest > -0.5 * (_FARTHEST_MM / _SPREAD_MM) ** 2
    known = known & shown
    shares = torch.where(known[..., None], logs, 0.0).softmax(dim=2)
    return shares, known


def _cross_entropy(shares: Tensor, log_weights: Tensor, slices: int | None) -> Tensor:
    """(B, K) of shares and log weights (B, K, T)."""
    if slices is not None:
        shares = shares.unflatten(2, (slices, -1)).sum(dim=3)
        log_weights = log_weights.unflatten(2, (slices, -1)).logsumexp(dim=3)
    return -(shares * log_weights).sum(dim=2)
