"""Stage 2's network: a per-slice encoder, bi-LSTM and attention pooling per bag, and one head per condition."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.targets import LEVELS
from bench.training.backbones import encoder, num_features
from bench.training.class_prior import add_level_bias
from bench.training.precision import float32

from .bags import CONDITION_STREAMS, STREAMS
from .severity_config import Severity, SeverityNetwork, Windows


class LSTMMIL(nn.Module):
    """Two-layer bi-LSTM over the slices, attention to pool them, and a second attention with weights of its own whose
    raw scores are trained to point at the slice that the annotator marked."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, features // 2, num_layers=2, batch_first=True, dropout=0.1, bidirectional=True)
        self.num_features = features // 2 * 2
        self.attention = nn.Sequential(nn.Tanh(), nn.Linear(self.num_features, 1))
        self.marked = nn.Sequential(nn.Tanh(), nn.Linear(self.num_features, 1))

    def forward(self, bags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pool (B, S, F) to (B, F); beside it the attention (B, S) and the raw scores (B, S) of the marked slice."""
        states, _ = self.lstm(bags)  # (B, S, F): each direction holds F // 2
        weights = self.attention(states).softmax(dim=1)  # (B, S, 1)
        return (weights * states).sum(dim=1), weights.squeeze(-1), self.marked(states).squeeze(-1)


class SelfAttentionMIL(nn.Module):
    """An ablation: self-attention over the slices in place of the bi-LSTM, the rest as in `LSTMMIL`."""

    def __init__(self, features: int, heads: int = 4) -> None:
        super().__init__()
        self.num_features = features
        self.place = nn.Parameter(torch.zeros(1, 33, features))
        self.layer = nn.TransformerEncoderLayer(features, heads, 2 * features, dropout=0.1, batch_first=True)
        self.attention = nn.Sequential(nn.Tanh(), nn.Linear(features, 1))
        self.marked = nn.Sequential(nn.Tanh(), nn.Linear(features, 1))

    def forward(self, bags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `LSTMMIL`."""
        states = self.layer(bags + self.place[:, : bags.shape[1]])  # (B, S, F)
        weights = self.attention(states).softmax(dim=1)  # (B, S, 1)
        return (weights * states).sum(dim=1), weights.squeeze(-1), self.marked(states).squeeze(-1)


class MeanMIL(nn.Module):
    """An ablation: the mean over the slices. The auxiliary scores look at each slice alone."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features
        self.marked = nn.Sequential(nn.Tanh(), nn.Linear(features, 1))

    def forward(self, bags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `LSTMMIL`; the weights are all equal."""
        weights = torch.full(bags.shape[:2], 1 / bags.shape[1], device=bags.device, dtype=bags.dtype)  # (B, S)
        return bags.mean(dim=1), weights, self.marked(bags).squeeze(-1)


POOLINGS: dict[str, type[LSTMMIL | SelfAttentionMIL | MeanMIL]] = {
    "lstm": LSTMMIL,
    "attention": SelfAttentionMIL,
    "mean": MeanMIL,
}


@dataclass(frozen=True, slots=True)
class Grades:
    """Output for one condition's B targets.

    Attributes:
        logits: (B, 3).
        streams: by stream, logits (B, 3) from it alone.
        attention: by stream, attention weights (B, S).
        marked: by stream, raw scores (B, S) of which slice the annotator marked.
    """

    logits: Tensor
    streams: dict[str, Tensor]
    attention: dict[str, Tensor]
    marked: dict[str, Tensor]


class SeverityNet(nn.Module):
    """Bags in, grades out.

    Args:
        config: stage 2's.
        network: the encoder family.
        conditions: which it grades: one, or all jointly.
    """

    def __init__(self, config: Severity, network: SeverityNetwork, conditions: tuple[str, ...]) -> None:
        super().__init__()
        self.conditions, self.stack = conditions, config.stack
        self.streams = tuple(dict.fromkeys(name for one in conditions for name in CONDITION_STREAMS[one]))
        # Without `joint`, a condition's streams show different kinds of images, so each has an encoder of its own.
        kinds = {name: "all" if config.joint and config.one_encoder else STREAMS[name].encoder for name in self.streams}
        self.encoder_of = kinds
        self.encoders = nn.ModuleDict()
        for name, kind in kinds.items():
            if kind not in self.encoders:
                self.encoders[kind] = encoder(
                    network.backbone,
                    channels=config.bag if config.stack else 1,
                    pretrained=network.pretrained,
                    image_size=_size(config.windows, name),
                    **network.options,
                )
        features = num_features(next(iter(self.encoders.values())))
        pooling = MeanMIL if config.stack else POOLINGS[config.pooling]
        pools = {f"{one}_{name}": pooling(features) for one in conditions for name in CONDITION_STREAMS[one]}
        self.pools = nn.ModuleDict(pools)
        width = next(iter(pools.values())).num_features
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleDict({one: nn.Linear(width * len(CONDITION_STREAMS[one]), 3) for one in conditions})
        self.stream_heads = nn.ModuleDict({one: nn.Linear(width, 3) for one in conditions})
        bias = torch.zeros(len(conditions), len(LEVELS), 3)
        self.level_bias = nn.Parameter(bias) if config.level_bias else None

    def forward(self, bags: dict[str, Tensor]) -> dict[str, Grades]:
        """Grade bags of images, one tensor (B, S, H, W) per stream; B runs over studies, then a stream's targets."""
        features = self._encode(bags)  # by stream (B, S, F)
        with float32(bags[self.streams[0]].device.type):  # small and recurrent
            return {one: self._grade(one, features) for one in self.conditions}

    def _encode(self, bags: dict[str, Tensor]) -> dict[str, Tensor]:
        """(B, S, H, W) per stream to (B, S, F); with ``stack`` the slices are channels, and it is (B, 1, F).

        Streams that share an encoder go through it together: a batch norm sees in training the mixture that its running
        statistics stand for in prediction.
        """
        features: dict[str, Tensor] = {}
        groups: dict[tuple[str, torch.Size], list[str]] = {}
        for name in self.streams:
            groups.setdefault((self.encoder_of[name], bags[name].shape[1:]), []).append(name)
        for (kind, _), names in groups.items():
            images = torch.cat([bags[name] for name in names])  # (B', S, H, W): the bags of all these streams
            count, depth, height, width = images.shape
            images = images if self.stack else images.reshape(count * depth, 1, height, width)
            encoded = self.encoders[kind](images.contiguous(memory_format=torch.channels_last)).float()  # (B' * S, F)
            parts = encoded.reshape(count, 1 if self.stack else depth, -1).split([len(bags[name]) for name in names])
            features |= dict(zip(names, parts, strict=True))
        return features

    def _grade(self, condition: str, features: dict[str, Tensor]) -> Grades:
        names = CONDITION_STREAMS[condition]
        pooled, attention, marked = {}, {}, {}
        for name in names:
            pooled[name], attention[name], marked[name] = self.pools[f"{condition}_{name}"](features[name])
        joined = torch.cat([pooled[name] for name in names], dim=1)  # (B, streams * F)
        logits = self.heads[condition](self.dropout(joined))  # (B, 3)
        if self.level_bias is not None:
            logits = add_level_bias(logits, self.level_bias[self.conditions.index(condition)])
        streams = {name: self.stream_heads[condition](self.dropout(pooled[name])) for name in names}
        return Grades(logits, streams, attention, marked)


def _size(windows: Windows, stream: str) -> tuple[int, int]:
    return getattr(windows, stream).size
