"""The training loop: plain torch, read from top to bottom."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from bench.approach import Context
from bench.errors import BenchError, UsageError
from bench.training.averaging import MovingAverage
from bench.training.checkpoints import (
    Training,
    load_finished,
    load_training,
    save_finished,
    save_training,
    training_file,
)
from bench.training.early_stopping import Monitor
from bench.training.objectives import Learner, Objective, make_learners
from bench.training.parameter_groups import GroupOf
from bench.training.precision import autocast, settle
from bench.training.prefetch import batches_ahead, read_ahead
from bench.training.schedule import Schedule, learning_rate

__all__ = ["Batches", "Objective", "Schedule", "learning_rate", "train", "train_objectives"]

Batch = TypeVar("Batch", covariant=True)
Learnt = TypeVar("Learnt")
Validate = Callable[[nn.Module], Mapping[str, float]]
BeforeEpoch = Callable[[int, Sequence[Mapping[str, float]]], None]


class Batches(Protocol[Batch]):
    """Training data: the same epoch number gives the same batches, so that a resumed training repeats them."""

    def __len__(self) -> int:
        """Batches per epoch; may change from one epoch to the next, before the epoch begins."""

    def epoch(self, number: int) -> Iterator[tuple[Batch, int]]:
        """The batches of an epoch counted from 1, each with the number of images in it.

        On a GPU a thread reads ahead: draw from a generator of its own, never from torch's global one.
        """


def train(
    model: nn.Module,
    batches: Batches[Learnt],
    loss: Callable[[nn.Module, Learnt], Mapping[str, Tensor]],
    schedule: Schedule,
    context: Context,
    *,
    stage: str,
    precision: str | None = None,
    group_of: GroupOf | None = None,
    validate: Validate | None = None,
    before_epoch: BeforeEpoch | None = None,
) -> nn.Module:
    """Train a network on one loss; `train_objectives` describes the arguments and what happens."""
    return train_objectives(
        model,
        batches,
        [Objective("", loss, group_of=group_of)],
        schedule,
        context,
        stage=stage,
        precision=precision,
        validate=validate,
        before_epoch=before_epoch,
    )


def train_objectives(
    model: nn.Module,
    batches: Batches[Any],
    objectives: Sequence[Objective],
    schedule: Schedule,
    context: Context,
    *,
    stage: str,
    precision: str | None = None,
    validate: Validate | None = None,
    before_epoch: BeforeEpoch | None = None,
) -> nn.Module:
    """Train a network; after a kill, go on from the last whole epoch with the same result.

    Once it is trained, its checkpoint holds its weights alone, about a third of the size. On a CPU a resumed training
    ends with the same bits; on CUDA some operations add up in any order, unless `bench run --deterministic` is given.

    Args:
        model: moved to the context's device and returned in evaluation mode.
        batches: the data.
        objectives: losses, each with its own parameters and optimizer. They are called in turn on the same batch, so
            that an earlier one may leave in the batch, detached, what a later one reads.
        schedule: epochs, learning rate and so on.
        context: seed, device, progress, and the folder for checkpoints.
        stage: the name under which progress is reported and the checkpoint is kept. Unique within a job.
        precision: other than the context's, for networks that gain nothing from it.
        validate: called after every epoch with the network in evaluation mode, without gradients, under autocast, and
            with the averaged weights where there are any; what it returns may stop the training, choose the best epoch
            and lower the rate. Split what it validates on from the training studies (`Context.inner_folds`).
        before_epoch: called before an epoch's batches with the epoch's number and the values of all epochs before:
            losses by name, and what was validated as ``validation.name``. For curricula, sizes that grow and parameters
            to freeze. It is not called for epochs that a resumed training has done: whatever it sets must follow from
            these two.

    Raises:
        BenchError: the training diverged, or an objective's parameters do not fit.
        UsageError: the schedule needs a validation step and there is none, or names parameters that do not exist.
    """
    precision = precision or context.precision
    torch.manual_seed(context.seed(stage))
    model = settle(model, context.device).train()
    learners = make_learners(model, objectives, schedule, device=context.device, precision=precision)
    average = MovingAverage(model, schedule.average)
    monitor = None if schedule.early_stopping is None else Monitor(schedule.early_stopping)
    keep_best = schedule.early_stopping is not None and schedule.early_stopping.restore_best
    state = _state(model, learners, average, monitor)
    _require_validation(schedule, learners, validate)
    checkpoint = training_file(context.resume, stage)
    fingerprint = _fingerprint(schedule, learners, len(batches), context.seed(stage), precision)
    ahead = batches_ahead(context.device)

    if load_finished(checkpoint, model, fingerprint=fingerprint):
        return model.eval()
    done = load_training(checkpoint, state, fingerprint=fingerprint)
    for epoch in range(done + 1, schedule.epochs + 1):
        if monitor is not None and monitor.exhausted:
            break
        model.train()
        for learner in learners:
            learner.begin(epoch)
        if before_epoch is not None:
            before_epoch(epoch, tuple(state.past))
        count, steps = len(batches), math.ceil(len(batches) / schedule.accumulate)
        sums: dict[str, Tensor] = {}
        images, started = 0, time.perf_counter()
        for index, (batch, size) in enumerate(read_ahead(batches.epoch(epoch), ahead)):
            step = index // schedule.accumulate
            together = min(schedule.accumulate, count - step * schedule.accumulate)
            complete = (index + 1) % schedule.accumulate == 0 or index + 1 == count
            for learner in learners:
                losses = learner.backward(batch, together)
                for name, value in losses.items():
                    key = learner.label(name)
                    sums[key] = sums[key] + value if key in sums else value
                if complete:
                    learner.step(epoch, step, steps, schedule.epochs)
            images += size
            if complete:
                average.follow((epoch - 1) * steps + step)
                if index + 1 < count:
                    context.progress(stage, epoch=epoch, epochs=schedule.epochs, step=step + 1, steps=steps)
        means = {name: float(value) / count for name, value in sums.items()}
        speed = images / (time.perf_counter() - started)
        _require_finite(means, learners, stage, epoch)

        if validate is not None:
            values = _validate(validate, model, average, context.device, precision)
            means |= {f"validation.{name}": value for name, value in values.items()}
            if monitor is not None and monitor.update(values, epoch) and keep_best:
                state.best.update(average.snapshot())
            for learner in learners:
                learner.validated(values, epoch)
        state.past.append(means)
        save_training(checkpoint, state, epoch=epoch, fingerprint=fingerprint)
        context.progress(
            stage,
            epoch=epoch,
            epochs=schedule.epochs,
            step=steps,
            steps=steps,
            losses=means,
            learning_rate=learners[0].rate,
            images_per_second=speed,
        )
    if state.best:
        model.load_state_dict(state.best)
    else:
        average.apply()
    save_finished(checkpoint, model, fingerprint=fingerprint)
    return model.eval()


def _state(model: nn.Module, learners: Sequence[Learner], average: MovingAverage, monitor: Monitor | None) -> Training:
    """What a checkpoint keeps."""
    plateaus = {f"plateau{number}": learner.plateau for number, learner in enumerate(learners) if learner.plateau}
    return Training(
        model,
        [learner.optimizer for learner in learners],
        [learner.scaler for learner in learners],
        average.weights,
        watchers=plateaus if monitor is None else {"early_stopping": monitor, **plateaus},
    )


def _fingerprint(schedule: Schedule, learners: Sequence[Learner], batches: int, seed: int, precision: str) -> str:
    """What a checkpoint must agree in to be taken up."""
    objectives = [
        [learner.objective.name, list(learner.objective.parts), learner.config.model_dump()] for learner in learners
    ]
    about = {"schedule": schedule.model_dump(), "objectives": objectives, "batches": batches, "seed": seed}
    return json.dumps({**about, "precision": precision}, sort_keys=True)


def _require_validation(schedule: Schedule, learners: Sequence[Learner], validate: Validate | None) -> None:
    needing = ["early_stopping"] if schedule.early_stopping is not None else []
    needing += ["decay = 'plateau'"] if any(learner.plateau for learner in learners) else []
    if needing and validate is None:
        raise UsageError(
            f"the schedule's {' and '.join(needing)} needs a validation step, and this network has none. "
            "Leave it out, or hold out training studies and pass validate."
        )


def _require_finite(means: Mapping[str, float], learners: Sequence[Learner], stage: str, epoch: int) -> None:
    for learner in learners:
        name = learner.label("loss")
        if not math.isfinite(means[name]):
            raise BenchError(
                f"training of {stage!r} diverged in epoch {epoch}: its {name} is {means[name]}. "
                f"Lower its learning_rate (now {learner.config.learning_rate}) or train in fp32."
            )


@torch.no_grad()
def _validate(
    validate: Validate, model: nn.Module, average: MovingAverage, device: str, precision: str
) -> Mapping[str, float]:
    """The validation values of the weights that training would return now."""
    model.eval()
    with average.applied(), autocast(device, precision):
        return {name: float(value) for name, value in validate(model).items()}
