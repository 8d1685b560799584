from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError, UsageError
from bench.training.loop import train, train_objectives
from bench.training.objectives import Objective, make_learners
from bench.training.schedule import OptimizerConfig, Schedule

PLAIN = Schedule(epochs=3, batch_size=8, learning_rate=1e-2)


class TwoPart(nn.Module):
    """A classifier on top of a localiser, without a detach between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.localiser = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
        self.classifier = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        points = self.localiser(x)
        return points, self.classifier(torch.cat([x, points], dim=1))


def locate(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": (network(batch[0])[0] - batch[1]).square().mean()}


def classify(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    loss = (network(batch[0])[1] - batch[1]).square().mean()
    return {"loss": loss, "root": loss.sqrt()}


def explode(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": 1e3 * classify(network, batch)["loss"]}


LOCATE = Objective("locate", locate, ("localiser",))
CLASSIFY = Objective("classify", classify, ("classifier",))


def part(network: nn.Module, name: str) -> list[Tensor]:
    return [tensor for key, tensor in network.named_parameters() if key.startswith(name)]


def equal(first: nn.Module, second: nn.Module, name: str) -> bool:
    return all(torch.equal(a, b) for a, b in zip(part(first, name), part(second, name), strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_no_gradient_of_one_loss_changes_the_others_weights(context, line, precision) -> None:
    """The localiser learns the same whatever the classifier's loss is, although its graph reaches the localiser."""

    def run(name: str, *objectives: Objective) -> nn.Module:
        return train_objectives(TwoPart(), line(), objectives, PLAIN, context(name), stage="s", precision=precision)

    first = run("first", LOCATE, CLASSIFY)
    other = run("other", LOCATE, Objective("classify", explode, ("classifier",)))
    assert equal(first, other, "localiser")
    assert not equal(first, other, "classifier")
    assert not equal(first, TwoPart(), "localiser")


def test_a_frozen_objective_is_reported_and_does_nothing(context, line) -> None:
    schedule = PLAIN.model_copy(update={"groups": {}})
    config = OptimizerConfig.model_validate({"learning_rate": 1e-2, "groups": {"classifier": {"first_epoch": 9}}})
    still = Objective("classify", classify, ("classifier",), config=config)
    for precision in ("fp32", "fp16"):
        trained = train_objectives(
            TwoPart(), line(), [LOCATE, still], schedule, context(precision), stage="s", precision=precision
        )
        assert equal(trained, TwoPart(), "classifier")
        assert not equal(trained, TwoPart(), "localiser")


def test_every_objective_has_its_own_rates_and_names(context, line, monkeypatch) -> None:
    slow = Objective("classify", classify, ("classifier",), config=OptimizerConfig(learning_rate=1e-9))
    job = context("job")
    told = []
    monkeypatch.setattr(type(job), "progress", lambda self, stage, **what: told.append(what.get("losses")))
    trained = train_objectives(TwoPart(), line(), [LOCATE, slow], PLAIN, job, stage="s")
    for moved, start in zip(part(trained, "classifier"), part(TwoPart(), "classifier"), strict=True):
        torch.testing.assert_close(moved, start, atol=1e-6, rtol=0)
    assert not equal(trained, TwoPart(), "localiser")
    assert sorted(next(filter(None, told))) == ["classify.loss", "classify.root", "locate.loss"]


def test_two_optimizers_survive_a_kill(context, line) -> None:
    schedule = Schedule.model_validate(
        {**PLAIN.model_dump(), "average": 0.5, "groups": {"localiser.0": {"first_epoch": 2, "learning_rate": 1e-3}}}
    )
    for precision in ("fp32", "fp16"):

        def run(batches, job, precision: str = precision) -> nn.Module:
            return train_objectives(
                TwoPart(), batches, [LOCATE, CLASSIFY], schedule, job, stage="s", precision=precision
            )

        whole = run(line(), context(f"whole-{precision}"))
        for stop_in in (1, 2, 3):
            broken = context(f"{precision}{stop_in}")
            with pytest.raises(line.killed):
                run(line(stop_in), broken)
            resumed = run(line(), broken)
            assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_divergence_names_the_objective(context, line) -> None:
    def broken(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": classify(network, batch)["loss"] * float("nan")}

    objectives = [LOCATE, Objective("classify", broken, ("classifier",))]
    with pytest.raises(BenchError, match=r"its classify\.loss is nan"):
        train_objectives(TwoPart(), line(), objectives, PLAIN, context("job"), stage="s")


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        ([LOCATE], "'classifier.0.weight' belongs to no objective"),
        ([LOCATE, Objective("both", classify)], "'localiser.0.weight' belongs to the objectives locate, both"),
        ([LOCATE, Objective("x", classify, ("clasifier",))], r"'x' \(clasifier\) has no parameter.*localiser, classif"),
        ([LOCATE, Objective("locate", classify, ("classifier",))], "two objectives are called 'locate'"),
    ],
)
def test_objectives_must_share_out_the_parameters(objectives, message) -> None:
    with pytest.raises(BenchError, match=message):
        make_learners(TwoPart(), objectives, PLAIN, device="cpu", precision="fp32")


def test_a_group_that_is_nowhere_is_an_error(context, line) -> None:
    schedule = Schedule.model_validate({**PLAIN.model_dump(), "groups": {"clasifier": {"learning_rate": 1.0}}})
    with pytest.raises(UsageError, match=r"group 'clasifier'.*localiser, classifier"):
        train(TwoPart(), line(), classify, schedule, context("job"), stage="s")
