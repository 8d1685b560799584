from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from bench.console import screen as module
from bench.console.screen import Screen
from bench.jobs.job import Job
from bench.jobs.order import Order


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def strftime(self, _: str) -> str:
        return "12:00:00"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def order(fold: int, beside: int = 2) -> Order:
    job = Job("mil", "quick", "{}", "toy", "data", "d" * 64, 5, "f" * 64, fold)
    return Order(job, Path("runs"), Path("cache"), "cpu", "fp32", 1, beside, "bench run")


def progress(epoch: int, step: int, steps: int) -> dict:
    return {
        "event": "progress", "stage": "severity", "epoch": epoch, "epochs": 10, "step": step, "steps": steps,
        "losses": {"loss": 0.5}, "learning_rate": 1e-3, "images_per_second": 1234.0,
    }  # fmt: skip


def lines(screen: Screen) -> list[str]:
    return screen.console.file.getvalue().splitlines()


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(file=io.StringIO(), width=100, force_terminal=False))


def test_without_a_terminal_an_epoch_is_one_plain_line(screen: Screen, clock: Clock) -> None:
    screen.expect([order(0).job])
    for epoch in (1, 2):
        for step in (1, 2, 3):
            clock.now += 5
            screen.on_event(order(0), progress(epoch, step, 3))
    assert lines(screen) == [
        f"12:00:00 mil-quick fold 0: severity epoch {epoch}/10  loss 0.500  1234 images/s" for epoch in (1, 2)
    ]


def test_time_left_counts_rounds_of_jobs_beside_each_other(screen: Screen, clock: Clock) -> None:
    screen.expect([order(fold).job for fold in range(5)])
    screen.on_event(order(0, beside=1), progress(1, 1, 1))
    clock.now += 100
    screen.on_event(order(0, beside=1), {"event": "done", "score": 0.5, "seconds": 100})
    for fold in (1, 2):
        screen.on_event(order(fold), progress(1, 1, 1))
    clock.now += 20
    screen.on_event(order(1), progress(2, 1, 1))  # two rounds of 100 s, of which 20 s are over
    assert lines(screen)[-1].endswith("about 3 min left")
    clock.now += 80
    for fold in (1, 2):
        screen.on_event(order(fold), {"event": "done", "score": 0.5, "seconds": 100})
    screen.on_event(order(3), progress(1, 1, 1))
    assert lines(screen)[-1].endswith("about 2 min left")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"event": "done", "score": 0.51234, "seconds": 7}, "done in 7 s, score 0.5123"),
        ({"event": "found", "score": 0.5}, "done meanwhile by another run, score 0.5000"),
        ({"event": "failed", "reason": "no [T1] here"}, "failed: no [T1] here"),
        ({"event": "skipped", "reason": "no axial"}, "skipped: no axial"),
        ({"event": "locked", "holder": "process 7 on host"}, "running in process 7 on host"),
    ],
)
def test_every_end_is_told(screen: Screen, clock: Clock, event: dict, text: str) -> None:
    screen.expect([order(0).job])
    screen.on_event(order(0), {"event": "stage", "stage": "opening the data"})
    clock.now += 7
    screen.on_event(order(0), event)
    assert text in lines(screen)[-1]


def test_at_a_terminal_there_is_a_bar_a_job(clock: Clock) -> None:
    live = Screen(Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None))
    live.expect([order(0).job, order(1).job])
    for fold in (0, 1):
        live.on_event(order(fold), progress(3, 2, 4))
    tasks = {task.description: (task.completed, task.total) for task in live._progress.tasks}
    assert tasks["mil-quick fold 1  severity epoch 3/10"] == (10, 40)
    live.on_event(order(0), {"event": "done", "score": 0.5, "seconds": 1})
    assert not any(re.search("fold 0", task.description) for task in live._progress.tasks)


def test_preparation_is_told_now_and_then(screen: Screen, clock: Clock) -> None:
    for done in range(101):
        clock.now += 0.125
        screen.prepare("reading images", done, 100)
    assert len(lines(screen)) == 4  # at the start, after 5 s twice, at the end
    assert lines(screen)[-1].endswith("reading images: 100/100")
