from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from bench.training import loop
from bench.training.loop import Schedule, train
from bench.training.prefetch import batches_ahead, read_ahead


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read ahead"]


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_the_same_items_come_in_the_same_order(ahead: int) -> None:
    assert list(read_ahead(iter(range(20)), ahead)) == list(range(20))
    assert list(read_ahead(iter(()), ahead)) == []
    assert not readers()


def test_items_are_read_before_they_are_asked_for_but_not_all() -> None:
    read, third = [], threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            if number == 3:
                third.set()
            yield number

    items_ahead = read_ahead(items(), 2)
    assert next(items_ahead) == 0
    assert third.wait(5)  # one handed over, two in the queue, one waiting for room
    assert read == [0, 1, 2, 3]
    items_ahead.close()  # type: ignore[attr-defined]
    assert not readers()


def test_an_error_is_raised_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the volume is gone")

    items_ahead = read_ahead(items(), 2)
    assert next(items_ahead) == 1
    with pytest.raises(OSError, match="the volume is gone"):
        next(items_ahead)
    assert not readers()


def test_the_thread_ends_when_the_training_fails() -> None:
    def training() -> None:
        for item in read_ahead(iter(range(1000)), 2):
            1 / (item - 3)

    with pytest.raises(ZeroDivisionError):
        training()
    assert not readers()


def test_gpus_read_ahead_and_processors_do_not() -> None:
    assert batches_ahead("cpu") == batches_ahead("meta") == 0
    assert batches_ahead("cuda:1") == batches_ahead("mps") > 0


def test_a_training_that_reads_ahead_ends_with_the_same_weights_also_after_a_kill(context, line, monkeypatch) -> None:
    schedule = Schedule(epochs=3, batch_size=8, learning_rate=1e-2, average=0.9)

    def model() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))

    def squares(network: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": (network(batch[0]) - batch[1]).square().mean()}

    plain = train(model(), line(), squares, schedule, context("plain"), stage="s").state_dict()
    monkeypatch.setattr(loop, "batches_ahead", lambda device: 2)
    broken = context("broken")
    with pytest.raises(line.killed):
        train(model(), line(2), squares, schedule, broken, stage="s")
    ahead = train(model(), line(), squares, schedule, broken, stage="s").state_dict()
    assert all(torch.equal(plain[name], ahead[name]) for name in plain)
