"""A trained job as a member of what predicts: read from the store, and checked before it is used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bench import plugins
from bench.data.cohort import grades_of
from bench.data.folds import training_studies
from bench.errors import BenchError, UsageError
from bench.files.checksums import check_manifest
from bench.jobs.fingerprint import changed_parts, fingerprint
from bench.jobs.job import Job
from bench.jobs.store import StoredJob
from bench.metric.prior import prior_probabilities

# Parts of a fingerprint that can change what a trained job predicts.
DECIDES = ("source of ", "data files of ")
ANOTHER_SOURCE = (
    "Predict with the source it was trained with, train it anew, or pass --changed-source to predict all the same."
)


class Member(BaseModel):
    """One trained job.

    Attributes:
        name: by seed and fold, such as ``seed0-fold1``.
        job: the job; `Job.plugins` are empty in an exported model.
        fingerprint: what it was made from.
        score: of its held-out studies; None where they have no labels.
        held_out: how many these were.
        trained_on: a digest for each training study, to warn of studies that are not new.
        prior: (25, 3) the class prior of the training studies, for studies without any image.
        checkpoint: the folder of the saved approach; in ``model.json`` relative to it.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    job: Job
    fingerprint: dict[str, Any]
    score: float | None
    held_out: int
    trained_on: tuple[str, ...]
    prior: tuple[tuple[float, float, float], ...]
    checkpoint: str


def study_digest(study_id: int) -> str:
    """What stands for a training study in an exported model, which carries no study numbers."""
    return hashlib.sha256(f"study {study_id}".encode()).hexdigest()[:16]


def members_of(jobs: Sequence[StoredJob]) -> tuple[Member, ...]:
    """The members that stored jobs of one approach make up, by seed and fold.

    Raises:
        UsageError: a job is not finished, or its predictions were imported.
        BenchError: a checkpoint is damaged.
    """
    ordered = sorted(jobs, key=lambda job: (job.seed, job.fold))
    for job in ordered:
        if job.status != "done":
            raise UsageError(
                f"{job.label} is {job.status}: {job.folder}. Run the same `bench run` again, or leave it out."
            )
        if job.result.imported is not None:
            raise UsageError(f"{job.label}: its predictions were imported, so there is no model to predict with.")
        wrong = check_manifest(job.files.checkpoint)
        if wrong:
            raise BenchError(
                f"{job.files.checkpoint} is damaged: {'; '.join(wrong)}. Run the job again: "
                f"`bench run --force --fold {job.fold}` with its other options."
            )
    return tuple(_member(job) for job in ordered)


def check_source(members: Sequence[Member], plugin_paths: Sequence[Path], *, refuse: bool = True) -> list[str]:
    """What the source that members were trained with differs in from this one, in words.

    Args:
        members: of one approach.
        plugin_paths: files and folders named with ``--plugin``.
        refuse: raise an error if anything differs.

    Raises:
        UsageError: there is no such approach here, or its source or that of the suite is another.
    """
    job = members[0].job
    try:
        plugin = plugins.find("approaches", job.approach, plugin_paths)
    except UsageError as error:
        raise UsageError(f"{error} The model needs its approach: name its file or folder with --plugin.") from None
    current = fingerprint(job, plugin)
    changed = dict.fromkeys(
        part for member in members for part in changed_parts(deciding(member.fingerprint), deciding(current))
    )
    if changed and refuse:
        raise UsageError(
            f"{job.approach}-{job.preset} was trained with another version: {', '.join(changed)} changed since. "
            f"{ANOTHER_SOURCE}"
        )
    return list(changed)


def deciding(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Of a fingerprint, the parts that can change what a trained job predicts."""
    return {name: value for name, value in parts.items() if name.startswith(DECIDES)}


def _member(job: StoredJob) -> Member:
    split = job.files.split
    folds = split.read_folds()
    train = training_studies(folds, job.fold, job.train_fraction)
    prior = prior_probabilities(grades_of(split.read_labels([int(study) for study in train])))
    plain = Job(**{name: getattr(job, name) for name in Job.__dataclass_fields__})
    return Member(
        name=f"seed{job.seed}-fold{job.fold}",
        job=plain,
        fingerprint=dict(job.fingerprint),
        score=job.result.score,
        held_out=job.result.studies,
        trained_on=tuple(study_digest(int(study)) for study in train),
        prior=tuple((float(a), float(b), float(c)) for a, b, c in prior),
        checkpoint=str(job.files.checkpoint),
    )


def selected(members: Sequence[Member], where: Path, folds: Sequence[int], seeds: Sequence[int]) -> tuple[Member, ...]:
    """The members of these folds and seeds; all if none is named. Raises UsageError for one that is not there."""
    for what, wanted, there in (
        ("fold", folds, {member.job.fold for member in members}),
        ("seed", seeds, {member.job.seed for member in members}),
    ):
        for one in wanted:
            if one not in there:
                raise UsageError(f"--{what} {one}: {where} has {what} {', '.join(map(str, sorted(there)))} only.")
    chosen = [one for one in members if (not folds or one.job.fold in folds) and (not seeds or one.job.seed in seeds)]
    if not chosen:
        raise UsageError(f"{where} has no model of this fold and seed together. Leave --fold or --seed out.")
    return tuple(chosen)
