"""The environment of the results, and the notes on studies."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.comparison import ApproachResult

if TYPE_CHECKING:
    from bench.jobs.result import Result


@dataclass(slots=True)
class Note:
    """One note, and the studies that it is about."""

    by: str
    text: str
    studies: list[str] = field(default_factory=list)


def notes_of(results: Iterable[ApproachResult]) -> list[Note]:
    """The notes of all jobs' ``notes.csv``, merged where equal, the most frequent first."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for result in results:
        for job in result.jobs:
            path = job.files.notes
            if path.is_file():
                with path.open(encoding="utf-8", newline="") as stream:
                    for row in csv.DictReader(stream):
                        found.setdefault((row["by"], row["note"]), {})[row["study_id"]] = None
    notes = [Note(by, text, list(studies)) for (by, text), studies in found.items()]
    return sorted(notes, key=lambda note: -len(note.studies))


def common_and_differing(results: Sequence[ApproachResult]) -> dict[str, Any]:
    """The environment shared by all jobs, and by approach what differs between jobs.

    Returns:
        ``common``: (name, value) pairs; ``differing``: the names; ``rows``: (label, values in the order of the names);
        ``commands``: the command lines.
    """
    facts = [(result.label, [_facts(job.result) for job in result.jobs]) for result in results]
    every = [each for _, of_approach in facts for each in of_approach]
    names = list(dict.fromkeys(name for each in every for name in each))
    values = {name: list(dict.fromkeys(each.get(name, "–") for each in every)) for name in names}
    differing = [name for name in names if len(values[name]) > 1]
    rows = [
        (label, [", ".join(dict.fromkeys(each.get(name, "–") for each in of_approach)) for name in differing])
        for label, of_approach in facts
    ]
    commands = dict.fromkeys(job.result.command for r in results for job in r.jobs if job.result.command)
    return {
        "common": [(name, values[name][0]) for name in names if len(values[name]) == 1],
        "differing": differing,
        "rows": rows,
        "commands": list(commands),
    }


def _facts(result: Result) -> dict[str, str]:
    """Facts that can change the speed or, slightly, the numbers of a job."""
    plain = {"precision": result.precision, "threads": result.threads, "concurrent jobs": result.jobs_beside}
    facts = {word: str(value) for word, value in plain.items() if value is not None}
    return facts | {name: str(value) for name, value in {**result.hardware, **result.versions}.items()}
