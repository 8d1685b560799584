"""Progress of a run: live bars at a terminal, one plain line per event elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from bench.files.foreign import one_line
from bench.jobs.events import (
    Done,
    Event,
    Failed,
    Found,
    Locked,
    Note,
    Progress,
    Reused,
    Skipped,
    Stage,
    Stale,
    Stopped,
    Unknown,
)
from bench.jobs.job import Job
from bench.jobs.order import Order


class Screen:
    """Shows preparation and jobs. Use it as a context; `prepare` and `on_event` are the callbacks to hand on."""

    def __init__(self, console: Console, jobs: int = 0) -> None:
        self.console = console
        self.live = console.is_terminal
        self._total, self._ended = jobs, 0
        self._tasks: dict[str, TaskID] = {}
        self._seconds: list[float] = []
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._slots = 1
        self._progress = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[about]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self.live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self._progress.stop()

    def expect(self, jobs: Sequence[Job]) -> None:
        """Set how many jobs are to come."""
        self._total = len(jobs)
        if self.live and jobs:
            self._tasks["all"] = self._progress.add_task("[bold]jobs", total=len(jobs), about="")

    def prepare(self, what: str, done: int, total: int) -> None:
        """Progress of building or reading data (`bench.dataset.Progress`)."""
        if self.live:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(escape(one_line(what)), total=total, about="")
            self._progress.update(self._tasks[what], completed=done, total=total, visible=done < total)
        elif done == total or time.monotonic() - self._told.get(what, -1e9) > 5:
            self._told[what] = time.monotonic()
            self._line(f"{what}: {done}/{total}")

    def on_event(self, order: Order, event: Event) -> None:
        """Show one event of a job."""
        name = order.job.label
        if name not in self._began:
            self._began[name], self._slots = time.monotonic(), max(order.beside, self._slots)
        if event.is_last:
            self._show_end(name, event)
            return
        match event:
            case Progress():
                self._show_progress(name, event)
            case Stage(stage):
                self._show(name, stage)
            case Stale(reason):
                self._show(name, f"runs again: {reason}")
            case Reused(stage):
                self._show(name, f"{stage} reused, trained by another job")
            case Unknown(text):
                self._show(name, text)
            case Note():
                pass  # they are in notes.csv

    def _show_progress(self, name: str, event: Progress) -> None:
        losses = " ".join(f"{key} {value:.3f}" for key, value in event.losses.items())
        speed = f"{event.images_per_second:.0f} images/s" if event.images_per_second else ""
        stage = f"{event.stage} epoch {event.epoch}/{event.epochs}"
        about = "  ".join(part for part in (losses, speed, self._time_left()) if part)
        if self.live:
            steps = max(event.steps, 1)
            done = (event.epoch - 1) * steps + event.step
            self._update(name, f"{name}  {stage}", about, done, event.epochs * steps)
        elif event.step == event.steps and time.monotonic() - self._told.get(name, -1e9) > 1:
            self._told[name] = time.monotonic()
            self._line(f"{name}: {stage}  {about}")

    def _show_end(self, name: str, event: Event) -> None:
        seconds = time.monotonic() - self._began.pop(name)
        if not isinstance(event, (Locked, Stopped)):
            self._ended += 1
            self._seconds.append(seconds)
        if self.live:
            task = self._tasks.pop(name, None)
            if task is not None:
                self._progress.remove_task(task)
            if "all" in self._tasks:
                self._progress.update(self._tasks["all"], completed=self._ended, about=self._time_left())
        self._line(f"{name}: {_end_in_words(event, seconds)}", style="red" if isinstance(event, Failed) else "")

    def _show(self, name: str, text: str) -> None:
        if self.live:
            self._update(name, f"{name}  {text}", "", 0, None)
        else:
            self._line(f"{name}: {text}")

    def _update(self, name: str, description: str, about: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task("", total=total, about="")
        self._progress.update(
            self._tasks[name],
            description=escape(one_line(description)),
            completed=done,
            total=total,
            about=escape(one_line(about)),
        )

    def _time_left(self) -> str:
        """Told from how long ended jobs took, in rounds of jobs beside each other; empty before the first has ended."""
        left = self._total - self._ended
        if not self._seconds or left <= 0:
            return ""
        rounds = math.ceil(left / self._slots)
        under_way = time.monotonic() - min(self._began.values(), default=time.monotonic())
        minutes = max(rounds * sum(self._seconds) / len(self._seconds) - under_way, 0) / 60
        return f"about {minutes:.0f} min left" if minutes >= 1 else "less than a minute left"

    def _line(self, text: str, style: str = "") -> None:
        stamp = time.strftime("%H:%M:%S")
        self.console.print(f"{stamp} {escape(one_line(text))}", style=style or None, highlight=False, soft_wrap=True)


def _end_in_words(event: Event, seconds: float) -> str:
    match event:
        case Done(score):
            return f"done in {seconds:.0f} s, score {_score(score)}"
        case Found(score):
            return f"done meanwhile by another run, score {_score(score)}"
        case Skipped(reason):
            return f"skipped: {reason}"
        case Failed(reason):
            return f"failed: {reason}"
        case Stopped(reason):
            return f"stopped: {reason}"
        case Locked(holder):
            return f"running in {holder}; waiting for its result"
        case _:
            raise TypeError(f"no end of a job: {event}")


def _score(score: float | None) -> str:
    return "none" if score is None else f"{score:.4f}"
