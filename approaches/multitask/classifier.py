"""The classifier's network: a backbone per kind of crop, or shared, and 25 heads, or heads that targets share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.metric.prior import prior_probabilities
from bench.targets import CONDITIONS, LEVELS, TARGETS, indices
from bench.training.backbones import encoder, num_features
from bench.training.class_prior import start_level_bias
from bench.training.precision import float32

from .classifier_config import ClassifierConfig
from .locator import CHANNELS, encoded_by, encoder_key, hidden_layers
from .streams import condition_streams, used_streams


class GradeHead(nn.Module):
    """Linear layers with batch norm, ReLU and dropout, and a linear layer to three grades."""

    def __init__(self, features: int, config: ClassifierConfig) -> None:
        super().__init__()
        self.layers = hidden_layers(features, config.hidden, config.dropout)
        self.dropout = nn.Dropout(0.0 if config.hidden else config.dropout)
        self.last = nn.Linear(config.hidden[-1] if config.hidden else features, 3)

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) to (B, 3)."""
        return self.last(self.dropout(self.layers(features)))


class Classifier(nn.Module):
    """Crops in, grades out.

    Args:
        config: of the classifier.

    Attributes:
        prior: (25, 3) the class prior of the training studies: what a target without a crop is given.
        size: the crops' size that the weights were trained at; kept with them, since the best epoch may have another
            size than the last.
    """

    prior: Tensor
    size: Tensor

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.streams = used_streams(config.axial_context)
        self.of_condition = condition_streams(config.axial_context)
        size = config.size_in(config.schedule.epochs)
        self.encoders = nn.ModuleDict()
        for stream in self.streams:
            key = encoder_key(stream.kind, config.sharing)
            if key not in self.encoders:
                self.encoders[key] = encoder(
                    config.backbone,
                    channels=CHANNELS,
                    pretrained=config.pretrained,
                    image_size=(size, size),
                    **config.options,
                )
        self.num_features = num_features(next(iter(self.encoders.values())))
        self.heads = nn.ModuleDict()
        for target, name in enumerate(head_names(config.heads)):
            if name not in self.heads:
                streams = len(self.of_condition[TARGETS[target].condition])
                self.heads[name] = GradeHead(self.num_features * streams, config)
        shape = len(CONDITIONS), len(LEVELS), 3
        self.level_bias = nn.Parameter(torch.zeros(shape)) if config.level_bias else None
        self.register_buffer("prior", torch.full((len(TARGETS), 3), 1 / 3))
        self.register_buffer("size", torch.tensor(config.size_in(1)))

    def start(self, grades: NDArray[np.int8]) -> None:
        """Begin at the class prior of the training grades (M, 25), and keep it for targets without a crop."""
        prior = prior_probabilities(grades)
        self.prior.copy_(torch.from_numpy(prior / prior.sum(axis=1, keepdims=True)))
        if self.level_bias is not None:
            start_level_bias(self.level_bias, grades, CONDITIONS)

    def forward(self, images: Mapping[str, Tensor], present: Mapping[str, NDArray[np.bool_]]) -> Tensor:
        """Grade B studies.

        Args:
            images: by stream (n, 3, H, W), the present crops.
            present: by stream (B, 25), where they belong.
        Returns:
            (B, 25, 3) logits; of a target without a crop of its own the logs of the class prior.
        """
        features = self._encode(images)  # by stream (n, F)
        own = sum(present[stream.name] for stream in self.streams if stream.own)  # (B, 25)
        device = self.prior.device
        logits = self.prior.log().expand(len(np.asarray(own)), -1, -1).clone()  # (B, 25, 3)
        with float32(device.type):
            for condition, streams in self.of_condition.items():
                joined = self._joined(streams, features, present)  # (B, 25, F * streams)
                for name, targets in self._heads_of(condition).items():
                    rows, columns = np.nonzero(np.asarray(own)[:, targets])
                    if not len(rows):
                        continue
                    places = torch.from_numpy(rows).to(device), torch.from_numpy(np.array(targets)[columns]).to(device)
                    found = self.heads[name](joined[places]) + self._bias(condition, targets, columns)
                    logits[places] = found.float()
        return logits

    def _bias(self, condition: str, targets: list[int], columns: NDArray[np.int64]) -> Tensor | float:
        """(n, 3) what is added to the logits of a head, or 0."""
        if self.level_bias is None:
            return 0.0
        levels = torch.from_numpy(np.array(targets)[columns] % len(LEVELS)).to(self.prior.device)
        return self.level_bias[CONDITIONS.index(condition)][levels]

    def _joined(
        self, streams: tuple, features: Mapping[str, Tensor], present: Mapping[str, NDArray[np.bool_]]
    ) -> Tensor:
        """(B, 25, F * streams) features of a condition's streams side by side, zeros where there is no crop."""
        parts = []
        for stream in streams:
            there = present[stream.name]
            part = torch.zeros(*there.shape, self.num_features, device=self.prior.device)
            if there.any():
                rows, columns = (torch.from_numpy(one).to(part.device) for one in np.nonzero(there))
                part = part.index_put((rows, columns), features[stream.name])
            parts.append(part)
        return torch.cat(parts, dim=2)

    def _heads_of(self, condition: str) -> dict[str, list[int]]:
        """By head, the targets of a condition that share it."""
        names = head_names(self.config.heads)
        found: dict[str, list[int]] = {}
        for target in indices(condition):
            found.setdefault(names[target], []).append(target)
        return found

    def _encode(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By stream (n, F). Streams that share a backbone go through it together, see `Locator`."""
        features: dict[str, Tensor] = {}
        groups: dict[str, list[str]] = {}
        for stream in self.streams:
            if len(images[stream.name]):
                groups.setdefault(encoder_key(stream.kind, self.config.sharing), []).append(stream.name)
        for key, names in groups.items():
            joined = torch.cat([images[name] for name in names]).contiguous(memory_format=torch.channels_last)
            encoded = encoded_by(self.encoders[key], joined).float()  # (n of all streams, F)
            features |= dict(zip(names, encoded.split([len(images[name]) for name in names]), strict=True))
        return features


def head_names(sharing: str) -> list[str]:
    """(25,) the head of each target: of its own, or one that it shares."""
    by = {
        "target": [target.name for target in TARGETS],
        "side": [f"{target.condition}_{target.level}" for target in TARGETS],
        "condition": [target.condition for target in TARGETS],
    }
    return by[sharing]
