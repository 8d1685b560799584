"""The exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """Follows a network's floating-point weights and buffers.

    Args:
        model: the network, on its device.
        decay: share of the average that a step keeps; 0: there is no average and nothing is done.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        # These very tensors: every step changes them in place.
        self.current = _floats(model) if decay else {}
        self.weights = {name: tensor.clone() for name, tensor in self.current.items()}

    def follow(self, step: int) -> None:
        """Move towards the network's weights after a step counted from 0, faster in the beginning."""
        if not self.weights:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.weights.values()), list(self.current.values()), 1 - decay)

    def apply(self) -> None:
        """Give the network the averaged weights for good."""
        if self.weights:
            self.model.load_state_dict(self.weights, strict=False)

    def snapshot(self) -> dict[str, Tensor]:
        """A copy of the network's state with the averaged weights in it."""
        return {
            name: self.weights.get(name, tensor).detach().clone() for name, tensor in self.model.state_dict().items()
        }

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the averaged weights within, and its own again afterwards."""
        own = {name: tensor.clone() for name, tensor in self.current.items()}
        self.apply()
        try:
            yield
        finally:
            if own:
                self.model.load_state_dict(own, strict=False)


def _floats(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
