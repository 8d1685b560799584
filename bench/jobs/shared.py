"""What the builder of shared label-free work is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.imaging.volumes import Volumes
from bench.jobs.clock import Clock


@dataclass(frozen=True, slots=True, eq=False)
class SharedWork:
    """What `bench.approach.SharedContext` promises: nothing in it depends on the fold, the seed or the job."""

    folder: Path
    volumes: Volumes
    threads: int
    name: str
    emit: Callable[..., None]
    clock: Clock
    require_lock: Callable[[], None]

    def progress(self, done: int, total: int) -> None:
        """Show how far the work is."""
        row = {"stage": self.name, "epoch": 1, "step": done, "losses": {}}
        self.emit("progress", epochs=1, steps=total, learning_rate=None, images_per_second=None, **row)
        self.clock.save_now_and_then()
