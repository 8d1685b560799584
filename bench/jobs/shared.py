"""What the builder of shared label-free work is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.imaging.volumes import Volumes
from bench.jobs.clock import Clock
from bench.jobs.stopping import TimeUp, is_over


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
    stop_at: float | None = None

    def progress(self, done: int, total: int) -> None:
        """Show how far the work is; where the run's time is over, it ends here and goes on from what is written."""
        row = {"stage": self.name, "epoch": 1, "step": done, "losses": {}}
        self.emit("progress", epochs=1, steps=total, learning_rate=None, images_per_second=None, **row)
        self.clock.save_now_and_then()
        if is_over(self.stop_at):
            self.clock.save()
            raise TimeUp
