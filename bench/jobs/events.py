"""What a job tells while it runs. On the pipe from its process each event is one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Something that a job tells.

    Attributes:
        kind: its name in JSON.
        is_last: whether the job tells nothing after it.
    """

    kind: ClassVar[str] = ""
    is_last: ClassVar[bool] = False

    def to_json(self) -> str:
        """The event as one line of JSON."""
        return json.dumps({"event": self.kind, **asdict(self)})


@dataclass(frozen=True)
class Stage(Event):
    """The job goes on to another stage of its work."""

    kind = "stage"
    stage: str


@dataclass(frozen=True)
class Progress(Event):
    """Where training is. Epochs and steps count from 1; see `bench.approach.Context.progress`."""

    kind = "progress"
    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    losses: Mapping[str, float]
    learning_rate: float | None = None
    images_per_second: float | None = None


@dataclass(frozen=True)
class Note(Event):
    """Something was missing in a study or had to be assumed."""

    kind = "note"
    study_id: int
    text: str


@dataclass(frozen=True)
class Stale(Event):
    """A stored result does not hold any more and is made anew."""

    kind = "stale"
    reason: str


@dataclass(frozen=True)
class Reused(Event):
    """A stage that another job has trained is used; ``seconds`` is what it took there."""

    kind = "reused"
    stage: str
    seconds: float


@dataclass(frozen=True)
class Found(Event):
    """Another run has done the job meanwhile. The score is None where it is not a number."""

    kind = "found"
    is_last = True
    score: float | None


@dataclass(frozen=True)
class Done(Event):
    """The job is done; ``seconds`` of fit and predict, summed over resumes. The score is None where not a number."""

    kind = "done"
    is_last = True
    score: float | None
    seconds: float


@dataclass(frozen=True)
class Skipped(Event):
    """The approach says that it cannot run on these studies."""

    kind = "skipped"
    is_last = True
    reason: str


@dataclass(frozen=True)
class Failed(Event):
    """The job failed; ``trace`` is a traceback, where there is one."""

    kind = "failed"
    is_last = True
    reason: str
    trace: str = ""


@dataclass(frozen=True)
class Stopped(Event):
    """The run's time limit was reached: the job has ended, and the same command goes on with it."""

    kind = "stopped"
    is_last = True
    reason: str


@dataclass(frozen=True)
class Locked(Event):
    """Another process holds the job."""

    kind = "locked"
    is_last = True
    holder: str


@dataclass(frozen=True)
class Unknown(Event):
    """An event of a kind that a newer version tells: its line, as it came."""

    text: str

    def to_json(self) -> str:
        """The line as it came."""
        return self.text


KINDS: dict[str, type[Event]] = {
    one.kind: one for one in (Stage, Progress, Note, Stale, Reused, Found, Done, Skipped, Failed, Stopped, Locked)
}


def make_event(kind: str, **details: Any) -> Event:
    """The event of a kind. Raises TypeError if there is no such kind or its details are others."""
    if kind not in KINDS:
        raise TypeError(f"no event is called {kind!r}. Available: {', '.join(KINDS)}.")
    return KINDS[kind](**details)


def read_event(line: str) -> Event | None:
    """The event of a line, or None if the line is none: something that was printed."""
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(values, dict) or not isinstance(kind := values.pop("event", None), str):
        return None
    if kind not in KINDS:
        return Unknown(line.strip())
    known = {one.name for one in fields(KINDS[kind])}
    try:
        return KINDS[kind](**{name: value for name, value in values.items() if name in known})
    except TypeError:  # details of another version
        return Unknown(line.strip())
