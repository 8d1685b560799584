"""The notes that jobs left on studies, alike ones together."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.comparison.results import ApproachResult
from bench.files.foreign import from_csv_cell
from bench.targets import TARGET_NAMES

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_TARGET = re.compile("|".join(sorted(TARGET_NAMES, key=len, reverse=True)))
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class NoteGroup:
    """Notes that differ in targets and numbers alone.

    Attributes:
        by: who left them.
        text: what they have in common; ``#`` stands for a number, ``TARGET`` for a target.
        count: how many notes.
        studies: how many studies they are about.
        examples: a few of these.
    """

    by: str
    text: str
    count: int
    studies: int
    examples: tuple[str, ...]


@dataclass(slots=True)
class _Collected:
    texts: set[tuple[str, str]] = field(default_factory=set)
    studies: dict[str, None] = field(default_factory=dict)


def note_groups(results: Iterable[ApproachResult]) -> tuple[tuple[NoteGroup, ...], tuple[str, ...]]:
    """The groups, that with the most studies first, and what could not be read, in words.

    A note that several folds or seeds left on the same study counts once.
    """
    found: dict[tuple[str, str], _Collected] = {}
    unreadable = []
    for result in results:
        for job in result.jobs:
            try:
                with job.files.notes.open(encoding="utf-8", newline="") as stream:
                    for row in csv.DictReader(stream):
                        note = from_csv_cell(row["note"])
                        group = found.setdefault((from_csv_cell(row["by"]), alike(note)), _Collected())
                        group.texts.add((row["study_id"], note))
                        group.studies[row["study_id"]] = None
            except FileNotFoundError:
                continue
            except (KeyError, TypeError, ValueError, csv.Error) as error:
                unreadable.append(f"{job.label}: {job.files.notes.name} cannot be read ({error!r}).")
    groups = [
        NoteGroup(by, text, len(each.texts), len(each.studies), tuple(list(each.studies)[:EXAMPLES]))
        for (by, text), each in found.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.studies, -group.count))), tuple(unreadable)


def alike(text: str) -> str:
    """A note without its targets and numbers."""
    return _NUMBER.sub("#", _TARGET.sub("TARGET", text))
