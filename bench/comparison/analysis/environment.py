"""The environment that results were made in: what all jobs share, what differs, and the command lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.comparison.results import ApproachResult
from bench.jobs.result import Result


@dataclass(frozen=True, slots=True)
class Environment:
    """Of all jobs of a comparison.

    Attributes:
        common: (name, value) that all jobs share.
        differing: names of what differs.
        rows: (label, values in the order of `differing`) for each approach.
        commands: the command lines, each once.
    """

    common: tuple[tuple[str, str], ...]
    differing: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    commands: tuple[str, ...]


def environment(results: Sequence[ApproachResult]) -> Environment:
    """The environment of these approaches' jobs."""
    facts = [(result.label, [_facts(job.result) for job in result.jobs]) for result in results]
    every = [each for _, of_approach in facts for each in of_approach]
    names = list(dict.fromkeys(name for each in every for name in each))
    values = {name: list(dict.fromkeys(each.get(name, "-") for each in every)) for name in names}
    differing = tuple(name for name in names if len(values[name]) > 1)
    rows = tuple(
        (label, tuple(", ".join(dict.fromkeys(each.get(name, "-") for each in of_approach)) for name in differing))
        for label, of_approach in facts
    )
    commands = dict.fromkeys(job.result.command for r in results for job in r.jobs if job.result.command)
    common = tuple((name, values[name][0]) for name in names if len(values[name]) == 1)
    return Environment(common, differing, rows, tuple(commands))


def _facts(result: Result) -> dict[str, str]:
    """Facts that can change the speed or, slightly, the numbers of a job."""
    plain = {"precision": result.precision, "threads": result.threads, "concurrent jobs": result.jobs_beside}
    facts = {word: str(value) for word, value in plain.items() if value is not None}
    return facts | {name: str(value) for name, value in {**result.hardware, **result.versions}.items()}
