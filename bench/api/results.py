"""``bench.load_results``: what lies in a store, as pandas tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.data.cohort import grades_of
from bench.errors import UsageError
from bench.files.places import require_folder
from bench.jobs.store import StoredJob, Unreadable, read_store
from bench.targets import CONDITIONS, TARGET_NAMES

KEYS = ("approach", "preset", "dataset", "train_fraction", "seed", "fold")
_LOCALISATION = ("true", "found", "same_series", "exact", "within_one", "median_mm", "percentile_95_mm", "side_swaps")


class Results:
    """Finished jobs as tables, each read on first use. The columns in `KEYS` say which job a row belongs to.

    Attributes:
        jobs: the jobs.
        failed: name of a job -> why it failed.
        skipped: name of a job -> why the approach cannot run on these studies.
        unfinished: name of a job -> how far ``stop_after`` let it come; the same call goes on.
    """

    def __init__(
        self,
        jobs: Sequence[StoredJob],
        *,
        failed: Mapping[str, str] = {},
        skipped: Mapping[str, str] = {},
        unfinished: Mapping[str, str] = {},
    ) -> None:
        self.jobs = tuple(jobs)
        self.failed, self.skipped, self.unfinished = dict(failed), dict(skipped), dict(unfinished)

    def __len__(self) -> int:
        return len(self.jobs)

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(f"{job.approach}-{job.preset}" for job in self.jobs)) or "no approach"
        kinds = {"failed": self.failed, "skipped": self.skipped, "unfinished": self.unfinished}
        ends = [f"{len(one)} {word}" for word, one in kinds.items() if one]
        counts = ", ".join([f"{len(self)} jobs", *ends])
        return f"Results({counts} of {names}; .scores, .predictions, .histories, .localisation, .notes)"

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per job: score and its parts (lower is better), costs, and how it ran."""
        return pd.DataFrame([_score_row(job) for job in self.jobs])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per study and target: the out-of-fold probabilities, and ``label``: 0, 1, 2, or -1 without one."""
        return self._tables(_predictions)

    @cached_property
    def histories(self) -> pd.DataFrame:
        """One row per stage and epoch: learning rate, images per second, and a column per loss (``loss: name``)."""
        return self._tables(_history)

    @cached_property
    def localisation(self) -> pd.DataFrame:
        """One row per job and condition: how far located points lie from the annotators' points."""
        rows = [row for job in self.jobs for row in _localisation_rows(job)]
        return pd.DataFrame(rows, columns=[*KEYS, "condition", *_LOCALISATION])

    @cached_property
    def points(self) -> pd.DataFrame:
        """Located points, in the format of ``train_label_coordinates.csv``; empty if no approach locates any."""
        return self._tables(lambda job: _csv(job.files.points))

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """Attention weight per slice; empty if no approach tells any."""
        return self._tables(lambda job: _csv(job.files.evidence))

    @cached_property
    def notes(self) -> pd.DataFrame:
        """What was missing in a study or had to be assumed, and by whom."""
        return self._tables(lambda job: _csv(job.files.notes))

    def _tables(self, read: Callable[[StoredJob], pd.DataFrame]) -> pd.DataFrame:
        parts = []
        for job in self.jobs:
            table = read(job)
            for place, (name, value) in enumerate(_keys(job).items()):
                table.insert(place, name, value)
            parts.append(table)
        whole = [table for table in parts if len(table)]
        return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=list(KEYS))


def load_results(runs: Path | str | Sequence[Path | str] = "runs") -> Results:
    """All finished jobs of one or several stores, or of folders of runs below one.

    Args:
        runs: the folder or folders.

    Raises:
        UsageError: a folder is not there, or holds no finished job.
    """
    roots = [Path(root) for root in ([runs] if isinstance(runs, (str, Path)) else runs)]
    found: dict[Path, StoredJob] = {}
    damaged: list[Unreadable] = []
    for root in roots:
        jobs, unreadable = read_store(require_folder(root, "", "Name a store, such as ./runs.").resolve())
        found |= {job.folder: job for job in jobs if job.status == "done"}
        damaged += unreadable
    if not found:
        more = f" ({len(damaged)} unreadable)" if damaged else ""
        raise UsageError(f"{', '.join(map(str, roots))}: no finished job there{more}. Run one: bench.run('prior').")
    return Results(list(found.values()))


def _keys(job: StoredJob) -> dict[str, Any]:
    return {name: getattr(job, name) for name in KEYS}


def _score_row(job: StoredJob) -> dict[str, Any]:
    result = job.result
    costs = ("fit_seconds", "predict_seconds", "peak_memory_mb", "parameters")
    return {
        **_keys(job),
        "score": result.score,
        **result.parts,
        "true_points": None if result.true_points is None else result.true_points.score,
        "studies": result.studies,
        **{name: getattr(result, name) for name in costs},
        "device": result.hardware.get("device"),
        "in_process": result.in_process,
        "imported": result.imported is not None,
        "folder": str(job.folder),
    }


def _predictions(job: StoredJob) -> pd.DataFrame:
    table = pd.read_csv(job.files.predictions)
    study, _, target = zip(*(row.partition("_") for row in table.pop("row_id")), strict=True)
    table.insert(0, "study_id", [int(one) for one in study])
    table.insert(1, "target", target)
    studies = list(dict.fromkeys(table["study_id"]))
    grades = grades_of(job.files.split.read_labels(studies))  # (N, 25)
    rows = pd.Index(studies).get_indexer(pd.Index(table["study_id"]))
    columns = pd.Index(TARGET_NAMES).get_indexer(pd.Index(table["target"]))
    table["label"] = grades[rows, columns]
    return table


def _history(job: StoredJob) -> pd.DataFrame:
    table = _csv(job.files.history)
    if not len(table):
        return table
    losses = pd.DataFrame([json.loads(text) if isinstance(text, str) else {} for text in table.pop("losses")])
    return table.join(losses.add_prefix("loss: "))


def _localisation_rows(job: StoredJob) -> Iterator[dict[str, Any]]:
    document = job.result.localisation or {}
    for condition in CONDITIONS:
        if condition in document:
            yield {**_keys(job), "condition": condition, **{name: document[condition][name] for name in _LOCALISATION}}


def _csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() and path.stat().st_size else pd.DataFrame()
