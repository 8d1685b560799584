"""``--stop-after``: the time at which a run ends at the next checkpoint, such as before a platform's own limit."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench.dataset import Progress
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.jobs.order import Order

EXIT_STOPPED = 3
"""Exit code of a run that ended at its time limit with work left: the same command goes on."""

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
AT_CHECKPOINT = "at its last checkpoint (--stop-after)"
# What a job gets to reach its next checkpoint: a share of the limit, within these bounds.
_GRACE_SHARE, _LEAST_GRACE_S, _MOST_GRACE_S = 0.1, 10.0, 1800.0


class TimeUp(BaseException):
    """Raised at a checkpoint once the time is over. Not an `Exception`, so that no approach takes it for a failure."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A time limit, counted from the start of the command.

    Attributes:
        after: as the user wrote it, such as ``8h``.
        began: Unix time of the start, which other processes and hosts can compare with.
    """

    after: str
    began: float

    @classmethod
    def of(cls, after: str) -> Self:
        """A limit that begins now.

        Raises:
            UsageError: ``after`` is no duration.
        """
        duration_s(after)
        return cls(after, time.time())

    @property
    def stop_at(self) -> float:
        """Unix time from which on jobs end at their next checkpoint, and none is begun."""
        return self.began + duration_s(self.after)

    @property
    def grace_s(self) -> float:
        """How long a job may take after `stop_at` to reach a checkpoint."""
        return min(max(_GRACE_SHARE * duration_s(self.after), _LEAST_GRACE_S), _MOST_GRACE_S)

    @property
    def end_at(self) -> float:
        """Unix time at which jobs that reached none are ended; they go on from the checkpoint before, or begin anew."""
        return self.stop_at + self.grace_s


def duration_s(text: str) -> float:
    """The seconds of a duration such as ``8h``, ``90m``, ``30s`` or ``1h30m``.

    Raises:
        UsageError: it is none, or is not above 0.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = sum(float(found[unit] or 0) * _SECONDS[unit] for unit in _SECONDS) if found else 0.0
    if not seconds > 0:
        raise UsageError(f"--stop-after {text!r}: choose a duration above 0, such as 8h, 90m, 30s or 1h30m.")
    return seconds


def is_over(stop_at: float | None) -> bool:
    """Whether a time has come; never if it is None."""
    return stop_at is not None and time.time() >= stop_at


def stop_if_over(stop_at: float | None) -> None:
    """Raise `TimeUp` if the time has come. Called where everything done so far is on the disk."""
    if is_over(stop_at):
        raise TimeUp


def stopping_between_steps(limit: Limit | None, progress: Progress) -> Progress:
    """A progress callback that ends the work once the time is over: after a study or series, which is kept."""
    if limit is None:
        return progress

    def told(what: str, done: int, total: int) -> None:
        progress(what, done, total)
        stop_if_over(limit.stop_at)

    return told


def ended_without_checkpoint(order: Order) -> str:
    """Why a job was ended that reached no checkpoint between an order's `stop_at` and `end_at`."""
    grace_s = (order.end_at or 0.0) - (order.stop_at or 0.0)
    return (
        f"reached no checkpoint within {grace_s:.0f} s after --stop-after and was ended; it goes on from the one "
        "before, or begins anew if it keeps none"
    )


def how_to_go_on(command: str) -> str:
    """The command that goes on: the same one. ``--force`` would begin anew, so it is left out."""
    words = shlex.split(command)
    return shlex.join([word for word in words if word != "--force"]) if words[:1] == ["bench"] else command
