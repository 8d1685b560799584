from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from bench.training.loop import train
from bench.training.objectives import Objective, make_learners
from bench.training.schedule import OptimizerConfig, Schedule


def network() -> nn.Module:
    torch.manual_seed(0)
    parts = {"stem": nn.Linear(3, 4), "stem2": nn.Linear(4, 4), "norm": nn.BatchNorm1d(4), "head": nn.Linear(4, 1)}
    return nn.Sequential(OrderedDict(parts))


def squares(model: nn.Module, batch) -> dict:
    return {"loss": (model(batch[0]) - batch[1]).square().mean()}


GROUPS = {
    "stem": {"learning_rate": 1e-4, "weight_decay": 0.0, "first_epoch": 2},
    "head": {"weight_decay": 0.5},
    "head.bias": {"learning_rate": 1e-5},
}


def learner(groups, group_of=None, **options):
    config = OptimizerConfig.model_validate({"learning_rate": 1e-2, "groups": groups, **options})
    (one,) = make_learners(
        network(), [Objective("", squares, group_of=group_of)], config, device="cpu", precision="fp32"
    )
    return one


def found(one) -> dict[str, tuple]:
    names = {id(parameter): name for name, parameter in one.owned.items()}
    return {
        names[id(parameter)]: (group["peak"], group["weight_decay"], group["first_epoch"])
        for group in one.optimizer.param_groups
        for parameter in group["params"]
    }


def test_a_group_is_the_beginning_of_a_name_up_to_a_dot_and_the_longest_counts() -> None:
    assert found(learner(GROUPS)) == {
        "stem.weight": (1e-4, 0.0, 2),
        "stem.bias": (1e-4, 0.0, 2),
        "stem2.weight": (1e-2, 0.01, 1),
        "stem2.bias": (1e-2, 0.0, 1),
        "norm.weight": (1e-2, 0.0, 1),
        "norm.bias": (1e-2, 0.0, 1),
        "head.weight": (1e-2, 0.5, 1),
        "head.bias": (1e-5, 0.0, 1),
    }


def test_an_approach_may_name_the_groups_itself() -> None:
    one = learner({"matrices": {"learning_rate": 1.0}}, lambda name: "matrices" if name == "stem.weight" else "rest")
    assert found(one)["stem.weight"][0] == 1.0
    assert found(one)["stem.bias"][0] == 1e-2  # a name without settings is no group


def test_rates_keep_their_ratio_to_the_last_step() -> None:
    one = learner({"stem": {"learning_rate": 1e-4}})
    for step in range(10):
        one.step(1, step, 10, 1)
        rates = {group["name"]: group["lr"] for group in one.optimizer.param_groups}
        assert rates["stem"] == pytest.approx(rates[None] / 100)


def test_frozen_parameters_stay_and_get_no_state_until_their_epoch(context, line) -> None:
    schedule = Schedule.model_validate(
        {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "groups": {"stem": {"first_epoch": 3}}}
    )
    start, states = network(), []

    class Watched(line):
        def epoch(self, number: int):
            yield from super().epoch(number)
            stem_moved = not torch.equal(model.stem.weight, start.stem.weight)
            states.append((number, stem_moved, model.stem.weight.requires_grad, model.stem2.weight.requires_grad))

    model = network()
    train(model, Watched(), squares, schedule, context("job"), stage="s")
    assert states == [(1, False, False, True), (2, False, False, True), (3, True, True, True)]


def test_state_begins_with_the_first_step() -> None:
    one = learner({"stem": {"first_epoch": 2}})
    batch = torch.randn(8, 3), torch.randn(8, 1)
    for epoch, expected in ((1, 6), (2, 8)):
        one.begin(epoch)
        one.backward(batch, 1)
        one.step(epoch, 0, 1, 2)
        assert len(one.optimizer.state) == expected


@pytest.mark.parametrize("norms_in_eval", [False, True])
def test_norms_of_a_frozen_part_may_keep_their_statistics(context, line, norms_in_eval) -> None:
    groups = {"norm": {"first_epoch": 2, "norms_in_eval": norms_in_eval}}
    schedule = Schedule.model_validate({"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "groups": groups})
    modes: list[tuple[bool, bool]] = []
    model = network()

    class Watched(line):
        def epoch(self, number: int):
            yield from super().epoch(number)
            modes.append((model.norm.training, bool(model.norm.running_mean.any())))

    train(model, Watched(), squares, schedule, context("job"), stage="s")
    assert modes == [(not norms_in_eval, not norms_in_eval), (True, True)]
