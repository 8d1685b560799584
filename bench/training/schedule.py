"""How long and how fast networks learn: the settings, and the learning rate of every step."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from bench.approach import Config


class Watch(Config):
    """Which value of the validation step is watched, and when an epoch counts as better.

    Attributes:
        value: the entry of what the validation step returns.
        mode: whether a smaller (``min``) or larger (``max``) value is better.
        min_delta: by how much it must be better than the best epoch's.
    """

    value: str = "loss"
    mode: Literal["min", "max"] = "min"
    min_delta: float = Field(default=0.0, ge=0)


class EarlyStopping(Watch):
    """Training ends when the watched value stops improving.

    Attributes:
        patience: epochs in a row without improvement after which training ends. At least ``epochs``: never.
        restore_best: whether the best epoch's weights are returned, or the last epoch's.
    """

    patience: int = Field(default=10, ge=1)
    restore_best: bool = True


class Plateau(Watch):
    """The learning rate falls when the watched value stops improving.

    Attributes:
        factor: what the rate is multiplied by.
        patience: epochs in a row without improvement that are tolerated; the next one lowers the rate.
    """

    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=2, ge=0)


class ParameterGroup(Config):
    """What differs for some of a network's parameters.

    Attributes:
        learning_rate: at its peak; None: as the others.
        weight_decay: on weight matrices and kernels; None: as the others.
        first_epoch: the epoch, counted from 1, in which these parameters begin to learn. They are frozen before, and
            warm up from there on. A number above ``epochs`` freezes them for good.
        norms_in_eval: while frozen, batch norms among them use their running statistics and leave them as they are.
    """

    learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)
    first_epoch: int = Field(default=1, ge=1)
    norms_in_eval: bool = False


class OptimizerConfig(Config):
    """How fast the parameters of one optimizer learn.

    Attributes:
        learning_rate: AdamW's at its peak.
        weight_decay: on weight matrices and kernels; biases and norms have none.
        warmup: share of all steps in which the rate climbs linearly from 0.
        decay: after the warm-up: ``cosine`` falls to ``final_rate``, ``plateau`` falls when validation stops improving,
            ``constant`` stays.
        final_rate: where the cosine ends, as a share of the peak.
        plateau: for ``decay = "plateau"``.
        clip: largest norm of the gradient.
        groups: parameters that learn otherwise, by the beginning of their names (``backbone`` is all of
            ``backbone.*``; the longest that fits counts), or by the names that the approach gives to groups.
    """

    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    decay: Literal["cosine", "plateau", "constant"] = "cosine"
    final_rate: float = Field(default=0.0, ge=0, le=1)
    plateau: Plateau = Plateau()
    clip: float = 1.0
    groups: dict[str, ParameterGroup] = Field(default_factory=dict)


class Schedule(OptimizerConfig):
    """How long and how fast a network learns.

    Attributes:
        epochs: passes over the training data.
        batch_size: samples per step: images, bags or studies, depending on the network.
        accumulate: batches whose gradients are averaged before the optimizer steps.
        average: decay of an exponential moving average of the weights that replaces them in the end; 0 for none.
        early_stopping: None: all epochs, and the last epoch's weights. Needs a validation step.
    """

    epochs: int
    batch_size: int
    accumulate: int = 1
    average: float = 0.0
    early_stopping: EarlyStopping | None = None


def learning_rate(
    step: int, steps: int, config: OptimizerConfig, *, peak: float | None = None, entered: int = 0
) -> float:
    """The rate of a step, without what a plateau takes from it.

    Args:
        step: counted from 0.
        steps: of the whole training. The cosine would reach its end one step after the last.
        config: warm-up and decay.
        peak: highest rate; by default the config's.
        entered: the first step of these parameters. Later entrants warm up for as many steps as the others did.
    """
    rate = config.learning_rate if peak is None else peak
    warmup = max(1, round(config.warmup * steps))
    climb = step - entered + 1
    if config.decay == "cosine" and step > warmup:
        share = (step - warmup) / max(1, steps - warmup)
        rate = rate * (config.final_rate + (1 - config.final_rate) * (0.5 * (1 + math.cos(math.pi * share))))
    return rate * climb / warmup if climb < warmup else rate
