"""The training loop: plain torch, read from top to bottom."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from bench.approach import Config, Context
from bench.errors import BenchError
from bench.training.checkpoints import Training, load_training, save_training
from bench.training.precision import autocast, loss_scaler, settle

Batch = TypeVar("Batch", covariant=True)
Learnt = TypeVar("Learnt")


class Schedule(Config):
    """How long and how fast a network learns.

    Attributes:
        epochs: passes over the training data.
        batch_size: samples (images, bags or studies, as the network has it) a step.
        learning_rate: AdamW's at its peak; cosine from there to 0.
        weight_decay: on weight matrices and kernels; biases and norms have none.
        warmup: share of all steps in which the rate climbs linearly from 0.
        accumulate: batches whose gradients are averaged before the optimizer steps.
        clip: largest norm of the gradient.
        average: decay of an exponential moving average of the weights that replaces them in the end; 0 for none.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    accumulate: int = 1
    clip: float = 1.0
    average: float = 0.0


class Batches(Protocol[Batch]):
    """Training data: the same epoch number gives the same batches, so that a resumed training repeats them."""

    def __len__(self) -> int:
        """Batches an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Batch, int]]:
        """The batches of an epoch counted from 1, each with the number of images in it."""


def train(
    model: nn.Module,
    batches: Batches[Learnt],
    loss: Callable[[nn.Module, Learnt], Mapping[str, Tensor]],
    schedule: Schedule,
    context: Context,
    *,
    stage: str,
    precision: str | None = None,
) -> nn.Module:
    """Train a network; after a kill, go on from the last whole epoch with the same result.

    Args:
        model: moved to the context's device and returned in evaluation mode.
        batches: the data.
        loss: called under autocast; the entry ``loss`` of what it returns is minimised, the others are told.
        schedule: epochs, learning rate and so on.
        context: seed, device, progress, and the folder for checkpoints.
        stage: the name under which progress is told and the checkpoint is kept. Unique within a job.
        precision: other than the context's, for networks that gain nothing from it.
    """
    precision = precision or context.precision
    torch.manual_seed(context.seed(stage))
    model = settle(model, context.device).train()
    weights = list(model.parameters())  # looked up once: it takes some percent of a short step
    optimizer = torch.optim.AdamW(_parameter_groups(model, schedule.weight_decay), fused=True)
    scaler = loss_scaler(context.device, precision)
    current = _floats(model) if schedule.average else {}  # these very tensors: every step changes them in place
    average = {name: tensor.clone() for name, tensor in current.items()}
    state = Training(model, optimizer, average, scaler)
    checkpoint = context.resume / f"{stage}.safetensors"
    fingerprint = json.dumps([schedule.model_dump(), len(batches), context.seed(stage)])
    steps = math.ceil(len(batches) / schedule.accumulate)

    done = load_training(checkpoint, state, fingerprint=fingerprint)
    for epoch in range(done + 1, schedule.epochs + 1):
        sums: dict[str, Tensor] = {}
        images, started = 0, time.perf_counter()
        for index, (batch, count) in enumerate(batches.epoch(epoch)):
            with autocast(context.device, precision):
                losses = loss(model, batch)
            group = min(schedule.accumulate, len(batches) - index // schedule.accumulate * schedule.accumulate)
            scaler.scale(losses["loss"] / group).backward()
            images += count
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach()
            if (index + 1) % schedule.accumulate and index + 1 < len(batches):
                continue

            step = (epoch - 1) * steps + index // schedule.accumulate
            rate = learning_rate(step, schedule.epochs * steps, schedule)
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(weights, schedule.clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            _follow(average, current, schedule.average, step)
            if index + 1 < len(batches):
                context.progress(
                    stage, epoch=epoch, epochs=schedule.epochs, step=index // schedule.accumulate + 1, steps=steps
                )

        means = {name: float(value) / len(batches) for name, value in sums.items()}
        if not math.isfinite(means["loss"]):
            raise BenchError(
                f"training of {stage!r} diverged in epoch {epoch}: its loss is {means['loss']}. "
                f"Lower its learning_rate (now {schedule.learning_rate}) or train in fp32."
            )
        save_training(checkpoint, state, epoch=epoch, fingerprint=fingerprint)
        context.progress(
            stage,
            epoch=epoch,
            epochs=schedule.epochs,
            step=steps,
            steps=steps,
            losses=means,
            learning_rate=rate,
            images_per_second=images / (time.perf_counter() - started),
        )
    if average:
        model.load_state_dict(average, strict=False)
    return model.eval()


def learning_rate(step: int, steps: int, schedule: Schedule) -> float:
    """The rate of a step counted from 0: linear warm-up, then a cosine that would reach 0 one step after the last."""
    warmup = max(1, round(schedule.warmup * steps))
    if step < warmup:
        return schedule.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def _floats(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def _follow(average: dict[str, Tensor], current: dict[str, Tensor], decay: float, step: int) -> None:
    """Move the averaged weights towards the model's, faster in the beginning."""
    if not average:
        return
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(average.values()), list(current.values()), 1 - decay)
