"""The transformer over the slices of a whole study."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import Network

_WAVELENGTHS_MM = (12.5, 25.0, 50.0, 100.0, 200.0, 400.0)


class SliceEncoder(nn.Module):
    """Embeds place, type of scan and position of every slice, and relates all slices of a study to one another."""

    def __init__(self, config: Network, longest: int) -> None:
        super().__init__()
        width = config.width
        self.register_buffer("places", sinusoidal(longest, width), persistent=False)  # (longest, F)
        self.types = nn.Embedding(3, width) if config.type_embedding else None
        self.positions = nn.Linear(6 * len(_WAVELENGTHS_MM), width) if config.position_embedding else None
        self.dropout = nn.Dropout(config.dropout)
        self.attention = (
            nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
            if config.first_attention
            else None
        )
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 4 * width, config.dropout, batch_first=True, norm_first=config.norm_first
        )
        norm = nn.LayerNorm(width)
        self.encoder = nn.TransformerEncoder(layer, config.layers, norm, enable_nested_tensor=False)

    def forward(self, slices: Tensor, types: Tensor, positions: Tensor, absent: Tensor) -> Tensor:
        """Related slices (B, S, F).

        Args:
            slices: (B, S, F) features.
            types: (S,) long, the type of scan of each place in the sequence.
            positions: (B, S, 3) middle of each slice, mm.
            absent: (B, S) which take no part. Not all of a study's may be absent.
        """
        places: Tensor = self.places  # type: ignore[assignment]
        states = slices + places[: slices.shape[1]]  # (B, S, F)
        if self.types is not None:
            states = states + self.types(types)
        if self.positions is not None:
            states = states + self.positions(waves(positions))
        states = self.dropout(states)
        if self.attention is not None:
            related, _ = self.attention(states, states, states, key_padding_mask=absent, need_weights=False)
            states = states + related
        return self.encoder(states, src_key_padding_mask=absent)


def sinusoidal(length: int, width: int) -> Tensor:
    """(length, width) the positional encoding of Vaswani et al. (2017)."""
    place = torch.arange(length)[:, None]
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    encoding = torch.zeros(length, width)
    encoding[:, 0::2] = torch.sin(place * rate)
    encoding[:, 1::2] = torch.cos(place * rate)[:, : width // 2]
    return encoding


def waves(positions: Tensor) -> Tensor:
    """(..., 36) sine and cosine of positions (..., 3) in mm at several wavelengths."""
    lengths = torch.tensor(_WAVELENGTHS_MM, device=positions.device)
    angles = (2 * math.pi * positions[..., None] / lengths).flatten(-2)  # (..., 18)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
