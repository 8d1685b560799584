"""Which of a network's parameters learn at which rate, with which weight decay, and from which epoch on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from torch import nn

from bench.errors import UsageError
from bench.training.schedule import OptimizerConfig, ParameterGroup

GroupOf = Callable[[str], str | None]


def parameter_groups(
    parameters: Mapping[str, nn.Parameter], config: OptimizerConfig, group_of: GroupOf
) -> list[dict[str, Any]]:
    """AdamW's groups: first the parameters without a group, then each group; each split by whether weights decay.

    Frozen parameters are among them: without a gradient the optimizer passes them by, and keeps no state for them.
    """
    members: dict[str | None, list[nn.Parameter]] = {None: [], **{name: [] for name in config.groups}}
    for name, parameter in parameters.items():
        members[group_of(name)].append(parameter)
    groups = []
    for group, found in members.items():
        settings = ParameterGroup() if group is None else config.groups[group]
        decay = config.weight_decay if settings.weight_decay is None else settings.weight_decay
        peak = config.learning_rate if settings.learning_rate is None else settings.learning_rate
        shared = {"peak": peak, "first_epoch": settings.first_epoch, "name": group}
        for weight_decay, wanted in ((decay, True), (0.0, False)):
            chosen = [parameter for parameter in found if (parameter.ndim > 1) is wanted]
            groups.append({"params": chosen, "weight_decay": weight_decay, **shared})
    return groups


def require_members(model: nn.Module, config: OptimizerConfig, used: Collection[str | None]) -> None:
    """Raise UsageError if no parameter belongs to one of the configuration's groups."""
    for name in config.groups:
        if name not in used:
            raise UsageError(f"no parameter belongs to the group {name!r}. The network's parts: {parts(model)}.")


def parts(model: nn.Module) -> str:
    """The first words of a network's parameter names, for an error message."""
    return ", ".join(dict.fromkeys(name.partition(".")[0] for name, _ in model.named_parameters())) or "none"


def longest(name: str, beginnings: Iterable[str]) -> str | None:
    """The longest of some beginnings that ends at a dot of the name, or is all of it."""
    fitting = [one for one in beginnings if name == one or name.startswith(f"{one}.")]
    return max(fitting, key=len, default=None)
