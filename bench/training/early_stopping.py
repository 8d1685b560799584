"""Watching a validation value: which epoch was best, and for how long nothing has improved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError, unknown
from bench.training.schedule import EarlyStopping, Plateau, Watch


@dataclass(slots=True)
class Monitor:
    """The best value so far.

    Attributes:
        watch: which value, and what counts as better.
        best: None before the first epoch.
        best_epoch: 0 before the first epoch.
        stale: epochs in a row without improvement.
    """

    watch: Watch
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0

    def update(self, values: Mapping[str, float], epoch: int) -> bool:
        """Take in an epoch's validation values; returns whether it is the best so far.

        Raises:
            UsageError: the watched value is not among them.
            BenchError: it is not finite.
        """
        if self.watch.value not in values:
            raise unknown("validation value", self.watch.value, values)
        value = float(values[self.watch.value])
        if not math.isfinite(value):
            raise BenchError(
                f"validation value {self.watch.value!r} is {value} in epoch {epoch}, so no epoch can be called best. "
                "Lower the learning_rate, train in fp32, or watch another value."
            )
        if self._better(value):
            self.best, self.best_epoch, self.stale = value, epoch, 0
            return True
        self.stale += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether early stopping's patience is over."""
        return isinstance(self.watch, EarlyStopping) and self.stale >= self.watch.patience

    def _better(self, value: float) -> bool:
        if self.best is None:
            return True
        gain = self.best - value if self.watch.mode == "min" else value - self.best
        return gain > self.watch.min_delta

    def state(self) -> dict[str, Any]:
        """What `restore` needs, ready for JSON."""
        return {"best": self.best, "best_epoch": self.best_epoch, "stale": self.stale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state` was called."""
        self.best, self.best_epoch, self.stale = state["best"], state["best_epoch"], state["stale"]


class PlateauRate:
    """What a learning rate is multiplied by when validation has stopped improving (torch's ReduceLROnPlateau with an
    absolute threshold)."""

    def __init__(self, config: Plateau) -> None:
        self.config = config
        self.monitor = Monitor(config)
        self.scale = 1.0

    def update(self, values: Mapping[str, float], epoch: int) -> None:
        """Take in an epoch's validation values."""
        self.monitor.update(values, epoch)
        if self.monitor.stale > self.config.patience:
            self.scale *= self.config.factor
            self.monitor.stale = 0

    def state(self) -> dict[str, Any]:
        """What `restore` needs, ready for JSON."""
        return {**self.monitor.state(), "scale": self.scale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state` was called."""
        self.monitor.restore(state)
        self.scale = state["scale"]
