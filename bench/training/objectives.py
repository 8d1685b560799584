"""One loss, the parameters that it trains, and their optimizer and gradient scaler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.training.early_stopping import PlateauRate
from bench.training.parameter_groups import GroupOf, longest, parameter_groups, parts, require_members
from bench.training.precision import autocast, loss_scaler
from bench.training.schedule import OptimizerConfig, learning_rate

LossFunction = Callable[[nn.Module, Any], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss with an optimizer of its own.

    Attributes:
        name: in the history (``name.loss``) and in errors; empty for a training with one objective.
        loss: called under autocast with the network and a batch; the entry ``loss`` of what it returns is minimised,
            the others are reported.
        parts: beginnings of the names of the parameters that it trains; empty: all. Its gradient reaches no other.
        config: its rates; None: the schedule's.
        group_of: names the group of ``config.groups`` that a parameter belongs to, by the parameter's name (None: no
            group). By default a group's name is the beginning of its parameters' names.
    """

    name: str
    loss: LossFunction
    parts: tuple[str, ...] = ()
    config: OptimizerConfig | None = None
    group_of: GroupOf | None = None


class Learner:
    """An objective at work on a network.

    Args:
        model: the network, on its device.
        objective: what it minimises, and with which parameters.
        config: the objective's rates.
        device: of the network.
        precision: of autocast.
        alone: whether there is no other objective: then the gradient need not be kept from other parameters.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        config: OptimizerConfig,
        *,
        device: str,
        precision: str,
        alone: bool,
    ) -> None:
        self.model, self.objective, self.config = model, objective, config
        self.device, self.precision, self.alone = device, precision, alone
        self.owned = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and (not objective.parts or longest(name, objective.parts) is not None)
        }
        self.weights = list(self.owned.values())  # looked up once: it takes some percent of a short step
        groups = parameter_groups(self.owned, config, self.group_of)
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.scaler = loss_scaler(device, precision)
        self.plateau = PlateauRate(config.plateau) if config.decay == "plateau" else None
        self.rate = 0.0  # of the last step, for parameters without a group

    def group_of(self, name: str) -> str | None:
        """The group of a parameter or buffer."""
        if self.objective.group_of is not None:
            group = self.objective.group_of(name)
            return group if group in self.config.groups else None
        return longest(name, self.config.groups)

    def begin(self, epoch: int) -> None:
        """Freeze the parameters that begin to learn in a later epoch, and no others."""
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.requires_grad_(epoch >= group["first_epoch"])
        for name, module in self.model.named_modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                group_name = self.group_of(f"{name}.running_mean")
                settings = self.config.groups.get(group_name) if group_name is not None else None
                if settings is not None and settings.norms_in_eval and epoch < settings.first_epoch:
                    module.eval()

    def backward(self, batch: Any, batches: int) -> dict[str, Tensor]:
        """Add a batch's gradient, divided by the number of batches in a step; returns the losses, detached."""
        with autocast(self.device, self.precision):
            losses = self.objective.loss(self.model, batch)
        if any(parameter.requires_grad for parameter in self.weights):
            scaled = self.scaler.scale(losses["loss"] / batches)
            reached = None if self.alone else [weight for weight in self.weights if weight.requires_grad]
            scaled.backward(inputs=reached)
        return {name: value.detach() for name, value in losses.items()}

    def step(self, epoch: int, step: int, steps: int, epochs: int) -> None:
        """Change the weights by what `backward` gathered.

        Args:
            epoch: counted from 1.
            step: in the epoch, counted from 0.
            steps: in an epoch.
            epochs: of the training.
        """
        now, total = (epoch - 1) * steps + step, epochs * steps
        scale = 1.0 if self.plateau is None else self.plateau.scale
        self.rate = scale * learning_rate(now, total, self.config)
        for group in self.optimizer.param_groups:
            entered = (group["first_epoch"] - 1) * steps
            group["lr"] = scale * learning_rate(now, total, self.config, peak=group["peak"], entered=entered)
        if all(weight.grad is None for weight in self.weights):  # all frozen
            return
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.weights, self.config.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def validated(self, values: Mapping[str, float], epoch: int) -> None:
        """Take in an epoch's validation values."""
        if self.plateau is not None:
            self.plateau.update(values, epoch)

    def label(self, name: str) -> str:
        """A loss's name in the history."""
        return f"{self.objective.name}.{name}" if self.objective.name else name


def make_learners(
    model: nn.Module, objectives: Sequence[Objective], default: OptimizerConfig, *, device: str, precision: str
) -> list[Learner]:
    """A learner per objective.

    Raises:
        BenchError: two objectives have one name, one has nothing to train, or a parameter has two objectives or none.
        UsageError: a group of the configuration is empty.
    """
    learners = [
        Learner(model, one, one.config or default, device=device, precision=precision, alone=len(objectives) == 1)
        for one in objectives
    ]
    _check_owners(model, learners)
    used = {group["name"] for one in learners for group in one.optimizer.param_groups if group["params"]}
    for learner in learners:
        require_members(model, learner.config, used)
    return learners


def _check_owners(model: nn.Module, learners: Sequence[Learner]) -> None:
    names = [learner.objective.name for learner in learners]
    for learner in learners:
        if names.count(learner.objective.name) > 1:
            raise BenchError(f"two objectives are called {learner.objective.name!r}. Give each a name of its own.")
        if not learner.owned:
            what = f"objective {learner.objective.name!r} ({', '.join(learner.objective.parts) or 'all parts'})"
            raise BenchError(f"{what} has no parameter to train. The network's parts: {parts(model)}.")
    for name, parameter in model.named_parameters():
        owners = [learner.objective.name for learner in learners if name in learner.owned]
        if parameter.requires_grad and len(owners) != 1:
            whose = f"belongs to the objectives {', '.join(owners)}" if owners else "belongs to no objective"
            raise BenchError(
                f"parameter {name!r} {whose}. Name it in the parts of exactly one, or freeze it with requires_grad_()."
            )
