"""Reading the series of new studies into a folder of their own, and what the reader had to assume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.new_studies import NewStudy
from bench.errors import BenchError
from bench.imaging.build import build_series, keep_failure
from bench.imaging.cache import Record
from bench.imaging.preparation import limit_s, studies_of
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.imaging.workers import Failure, run_isolated

if TYPE_CHECKING:
    from bench.dataset import Progress


@dataclass(frozen=True, slots=True, eq=False)
class ReadStudies:
    """New studies with their pixels.

    Attributes:
        studies: those with at least one readable series, in ascending order.
        volumes: the pixels.
        notes: by study number what the reader assumed or left out, of all studies asked for.
    """

    studies: tuple[Study, ...]
    volumes: Volumes
    notes: Mapping[int, tuple[str, ...]]


def read_studies(studies: Sequence[NewStudy], folder: Path, *, jobs: int, progress: Progress) -> ReadStudies:
    """Decode every series of some studies.

    Args:
        studies: what `find_studies` found.
        folder: where the pixels go; made if absent.
        jobs: how many processes may decode.
        progress: called as work goes on.

    Raises:
        BenchError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [series for study in studies for series in study.series]
    limits = [limit_s(task) for task in tasks]
    calls = [(task, str(folder), None) for task in tasks]
    records: dict[int, Record] = {}
    for index, outcome in run_isolated(build_series, calls, jobs=jobs, limit_s=limits.__getitem__):
        if isinstance(outcome, BenchError):
            raise outcome
        failed = isinstance(outcome, Failure)
        records[index] = keep_failure(tasks[index], str(folder), outcome.what) if failed else outcome
        progress("reading images", len(records), len(tasks))
    ordered = [records[index] for index in sorted(records)]
    notes = {study.study_id: study.notes for study in studies}
    for record in ordered:
        notes[record["study_id"]] += _notes_of(record)
    found = studies_of(ordered)
    return ReadStudies(tuple(replace(study, notes=notes[study.study_id]) for study in found), Volumes(folder), notes)


def _notes_of(record: Record) -> tuple[str, ...]:
    """What was odd about a series and what had to be left out of it."""
    assumed = [f"series {record['series_id']}: {text}" for text in record["assumptions"]]
    faults = [f"{fault['path']} {fault['what']}: {fault['effect']}" for fault in record["faults"]]
    unread = [] if record["instance_numbers"] else [f"series {record['series_id']} cannot be read"]
    return (*assumed, *faults, *unread)
