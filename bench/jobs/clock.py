"""What a piece of work cost: a clock that outlives a kill, and what is charged for work that is shared between jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bench.files.atomic import DamagedError, read_json, write_json
from bench.files.replaced import set_aside
from bench.jobs.process_tree import cpu_seconds

SAVE_EVERY_S = 2.0
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_SAVED = TypeAdapter(dict[str, Seconds])


class Charge(BaseModel):
    """Wall and CPU seconds of one trained stage or one piece of shared work, without what it used itself in turn.

    Attributes:
        shared: whether it is shared label-free work, which is listed apart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wall: Seconds
    cpu: Seconds
    shared: bool = False


class Spent(BaseModel):
    """What fitting or predicting cost: the content of ``fitted.json`` and ``predicted.json``.

    Attributes:
        wall: seconds, with all that is charged.
        cpu: CPU seconds of the process and its children, with all that is charged.
        shared_wall: the part of ``wall`` that is shared label-free work.
        shared_cpu: the part of ``cpu`` that is.
        charged: what was charged, by folder: each once per job, whoever built it.
        notes: how many notes had been made, and the sha256 of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    wall: Seconds
    cpu: Seconds
    shared_wall: Seconds
    shared_cpu: Seconds
    charged: dict[str, Charge]
    notes: tuple[int, str] | None = None

    @classmethod
    def of(cls, own: Mapping[str, float], charged: Mapping[str, Charge], notes: tuple[int, str] | None = None) -> Spent:
        """The job's own seconds and its charges added up."""
        shared = [charge for charge in charged.values() if charge.shared]
        return cls(
            wall=own["wall"] + sum(charge.wall for charge in charged.values()),
            cpu=own["cpu"] + sum(charge.cpu for charge in charged.values()),
            shared_wall=sum(charge.wall for charge in shared),
            shared_cpu=sum(charge.cpu for charge in shared),
            charged=dict(charged),
            notes=notes,
        )


class Clock:
    """Wall and CPU seconds of a piece of work, child processes included, summed over the times it was taken up again.

    It stands still while a stage or shared work is fetched: these have clocks of their own and are charged as a whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = _saved(path)
        self._runs = True
        self._wall, self._cpu = time.monotonic(), cpu_seconds()
        self._saved = self._wall

    def seconds(self) -> dict[str, float]:
        """Seconds so far."""
        if not self._runs:
            return dict(self._before)
        return {
            "wall": self._before["wall"] + time.monotonic() - self._wall,
            "cpu": self._before["cpu"] + cpu_seconds() - self._cpu,
        }

    def save_now_and_then(self) -> None:
        """Keep the seconds so far, at most every other second, so that a kill loses little of them."""
        if time.monotonic() - self._saved > SAVE_EVERY_S:
            self.save()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the clock stand still; what it shows is kept before."""
        self._before, self._runs = self.seconds(), False
        self.save()
        try:
            yield
        finally:
            self._wall, self._cpu = time.monotonic(), cpu_seconds()
            self._runs = True

    def save(self) -> None:
        """Keep the seconds so far."""
        write_json(self.path, self.seconds())
        self._saved = time.monotonic()


def _saved(path: Path) -> dict[str, float]:
    """What a clock showed when it was last saved. A damaged file is set aside and told of: its seconds are lost."""
    try:
        document = read_json(path)
        if document is None:
            return {"wall": 0.0, "cpu": 0.0}
        seconds = _SAVED.validate_python(document)
        return {"wall": seconds["wall"], "cpu": seconds["cpu"]}
    except (DamagedError, ValidationError, KeyError):
        print(f"{path} is damaged and was set aside as {set_aside(path)}: the seconds in it are not counted.")
        return {"wall": 0.0, "cpu": 0.0}
