from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.training.loop import Schedule, learning_rate, train

PLAIN = Schedule(epochs=4, batch_size=8, learning_rate=1e-2, average=0.9)


class KilledError(Exception):
    pass


class Line:
    """Noisy points on a line; may stop in the middle of an epoch."""

    def __init__(self, stop_in: int | None = None, count: int = 5) -> None:
        self.stop_in, self.count = stop_in, count

    def __len__(self) -> int:
        return self.count

    def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
        random = np.random.default_rng([3, number])
        for index in range(self.count):
            if number == self.stop_in and index == 2:
                raise KilledError
            x = torch.from_numpy(random.normal(size=(8, 3)).astype(np.float32))
            yield (x, x.sum(dim=1, keepdim=True)), 8


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))


def squares(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": (network(batch[0]) - batch[1]).square().mean()}


def same(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_killed_in_any_epoch_ends_as_if_it_had_not_been(context, precision) -> None:
    whole = train(model(), Line(), squares, PLAIN, context("whole"), stage="s", precision=precision)
    for stop_in in (1, 2, 4):
        broken = context(f"broken{stop_in}")
        with pytest.raises(KilledError):
            train(model(), Line(stop_in), squares, PLAIN, broken, stage="s", precision=precision)
        torch.manual_seed(999)  # another process starts elsewhere
        resumed = train(model(), Line(), squares, PLAIN, broken, stage="s", precision=precision)
        assert same(whole, resumed), f"killed in epoch {stop_in}"


def test_a_finished_training_is_not_done_again(context) -> None:
    job = context("job")
    first = train(model(), Line(), squares, PLAIN, job, stage="s")
    again = train(model(), Line(stop_in=1), squares, PLAIN, job, stage="s")
    assert same(first, again)


def test_another_schedule_does_not_take_up_an_old_checkpoint(context) -> None:
    job = context("job")
    train(model(), Line(), squares, PLAIN, job, stage="s")
    other = PLAIN.model_copy(update={"learning_rate": 1e-3})
    with pytest.raises(KilledError):
        train(model(), Line(stop_in=1), squares, other, job, stage="s")


def test_it_learns_and_tells_where_it_is(context, monkeypatch) -> None:
    job = context("job")
    told = []
    monkeypatch.setattr(type(job), "progress", lambda self, stage, **what: told.append((stage, what)))
    schedule = Schedule(epochs=30, batch_size=8, learning_rate=3e-2)
    train(model(), Line(), squares, schedule, job, stage="line")
    ends = [what for _, what in told if what["step"] == what["steps"]]
    assert [what["epoch"] for what in ends] == list(range(1, 31))
    assert ends[-1]["losses"]["loss"] < 0.3 * ends[0]["losses"]["loss"]
    assert all(what["images_per_second"] > 0 for what in ends)
    assert ends[-1]["learning_rate"] < ends[5]["learning_rate"]


def test_accumulated_batches_step_as_one(context) -> None:
    plain = nn.Linear(3, 1)
    twin = nn.Linear(3, 1)
    twin.load_state_dict(plain.state_dict())

    class Doubled(Line):
        def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
            pairs = list(super().epoch(number))
            for (x, y), _ in pairs:  # the same data in two halves
                yield (x[:4], y[:4]), 4
                yield (x[4:], y[4:]), 4

        def __len__(self) -> int:
            return 2 * self.count

    schedule = Schedule(epochs=2, batch_size=8, learning_rate=1e-2)
    train(plain, Line(), squares, schedule, context("one"), stage="s")
    train(twin, Doubled(), squares, schedule.model_copy(update={"accumulate": 2}), context("two"), stage="s")
    torch.testing.assert_close(plain.weight, twin.weight)


def test_divergence_is_an_error_that_names_the_cure(context) -> None:
    def broken(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": network(batch[0]).mean() * float("nan")}

    with pytest.raises(BenchError, match="Lower its learning_rate"):
        train(model(), Line(), broken, PLAIN, context("job"), stage="s")


def test_the_rate_climbs_then_falls_as_a_cosine() -> None:
    schedule = Schedule(epochs=1, batch_size=1, learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(step, 100, schedule) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(1.0)
    assert 0 < rates[-1] < 0.01
