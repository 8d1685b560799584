"""Predictions that were made elsewhere, stored as finished jobs: one per fold, without costs, marked as imported."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.approach import Predictions
from bench.data.submissions import Joined, join_submissions
from bench.errors import DataError, UsageError
from bench.files.atomic import write_text
from bench.files.locks import Lock
from bench.jobs.config import canonical
from bench.jobs.folder import JobFolder
from bench.jobs.import_target import Target, find_target
from bench.jobs.job import Job
from bench.jobs.predictions import write_predictions
from bench.jobs.result import Imported, JobRecord, Result, SourceFile
from bench.jobs.score import score_of
from bench.jobs.store import check_store, judge_folder
from bench.metric import study_terms
from bench.metric.prior import out_of_fold_prior
from bench.targets import CONDITIONS, TARGET_NAMES, TARGETS

PRESET = "imported"
CONFIG = canonical({"imported": True})
RESERVED = ("prior",)  # the reference of every comparison
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What the user asked for; see `find_target` for ``labels``, ``folds`` and ``split``.

    Attributes:
        name: what the approach is to be called.
        files: its predictions.
        store: the folder of all results.
        strict: refuse missing rows instead of filling them.
        seed: the training seed that the predictions are from.
        train_fraction: the share of the training studies that they were trained on.
        command: the command line.
    """

    name: str
    files: Sequence[Path]
    store: Path
    labels: Path | None = None
    folds: Path | None = None
    split: Path | None = None
    strict: bool = False
    seed: int = 0
    train_fraction: float = 1.0
    command: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What an import did.

    Attributes:
        folders: the jobs of the folds that have predictions.
        target: the split that they joined.
        absent: (N, 25) rows that no file has.
        missing_folds: folds without any row; they are not imported.
        left_out: rows of excluded studies.
        replaced: where earlier results of this name went.
        unchanged: whether the same was there already.
    """

    folders: tuple[JobFolder, ...]
    target: Target
    absent: NDArray[np.bool_]
    missing_folds: tuple[int, ...]
    left_out: int
    replaced: tuple[Path, ...]
    unchanged: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Checked:
    """Predictions that passed every check.

    Attributes:
        request: what was asked for.
        target: what they are scored on.
        joined: as they were read.
        folds: the fold file that came with them, if any.
        filled: (N, 25, 3) probabilities without gaps.
    """

    request: ImportRequest
    target: Target
    joined: Joined
    folds: SourceFile | None
    filled: NDArray[np.float64]

    @property
    def folds_there(self) -> tuple[int, ...]:
        """The folds that have any row."""
        return tuple(np.unique(self.target.fold[~self.joined.absent.all(axis=1)]).tolist())


def import_predictions(request: ImportRequest) -> Outcome:
    """Check, fill and store predictions made elsewhere. Raises BenchError with the cure, before anything is written."""
    checked = _checked(request)
    target, there = checked.target, checked.folds_there
    jobs = {fold: _job(request, target, fold) for fold in np.unique(target.fold).tolist()}
    made_from = {fold: _fingerprint(jobs[fold], checked) for fold in there}
    check_store(request.store)
    target.write()
    folders = {fold: JobFolder(_folder(job, target)) for fold, job in jobs.items()}
    replaced = []
    with Lock(_lock(folders[0])):
        unchanged = all(_is_as_wanted(files, made_from.get(fold)) for fold, files in folders.items())
        if not unchanged:
            replaced = [gone for files in folders.values() if (gone := files.set_aside()) is not None]
            for fold in there:
                _write(folders[fold], jobs[fold], made_from[fold], checked)
    return Outcome(
        folders=tuple(folders[fold] for fold in there),
        target=target,
        absent=checked.joined.absent,
        missing_folds=tuple(sorted(set(jobs) - set(there))),
        left_out=checked.joined.left_out,
        replaced=tuple(replaced),
        unchanged=unchanged,
    )


def _checked(request: ImportRequest) -> _Checked:
    _check_name(request.name)
    if request.store.exists() and not request.store.is_dir():
        raise UsageError(f"--out {request.store}: that is a file. Name a folder.")
    target = find_target(request.store, labels=request.labels, folds=request.folds, split=request.split)
    joined = join_submissions(request.files, target.study_ids, target.grades, target.record.excluded)
    absent = joined.absent
    if request.strict and absent.any():
        study, column = np.argwhere(absent)[0]
        row = f"{target.study_ids[study]}_{TARGET_NAMES[column]}"
        raise DataError(
            f"{', '.join(map(str, request.files))}: missing row (first: {row!r}; {int(absent.sum())} such rows of "
            f"{absent.size}). Add them, or omit --strict to fill them by the class prior of the other folds."
        )
    folds = None
    if request.folds is not None:
        folds = SourceFile(name=request.folds.name, sha256=hashlib.sha256(request.folds.read_bytes()).hexdigest())
    filled = np.where(absent[..., None], out_of_fold_prior(target.grades, target.fold), joined.probabilities)
    return _Checked(request, target, joined, folds, filled)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the name {name[:80]!r}: use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit."
        )
    if name.lower() in RESERVED:
        raise UsageError(f"the name {name!r} is that of the reference in every comparison. Choose another one.")


def _job(request: ImportRequest, target: Target, fold: int) -> Job:
    return Job(
        approach=request.name,
        preset=PRESET,
        config=CONFIG,
        dataset=target.record.dataset,
        data=target.record.folder,
        data_hash=target.record.data_hash,
        folds=int(target.fold.max()) + 1,
        fold_hash=target.record.fold_hash,
        fold=fold,
        seed=request.seed,
        train_fraction=request.train_fraction,
    )


def _folder(job: Job, target: Target) -> Path:
    return target.folder.path / job.run_name / job.seed_name / f"fold{job.fold}"


def _is_as_wanted(files: JobFolder, made_from: Mapping[str, Any] | None) -> bool:
    """Whether a folder holds the result of this fingerprint already, or is empty where there is to be none."""
    return not files.holds_work() if made_from is None else judge_folder(files, made_from).action == "reuse"


def _fingerprint(job: Job, checked: _Checked) -> dict[str, Any]:
    """What a stored import holds for: other contents of the files replace it."""
    digests = "".join(sorted(set(checked.joined.digests)))
    return {
        "data": job.data_hash,
        "folds": job.fold_hash,
        "fold": job.fold,
        "config": job.config_hash,
        "seed": job.seed,
        "train fraction": job.train_fraction,
        "imported files": hashlib.sha256(digests.encode("utf-8", "backslashreplace")).hexdigest(),
        "imported folds": "" if checked.folds is None else checked.folds.sha256,
    }


def _write(files: JobFolder, job: Job, made_from: Mapping[str, Any], checked: _Checked) -> None:
    """Write one fold. ``job.json`` comes late, so that a killed import is nothing that could be resumed."""
    target, held_out = checked.target, checked.target.fold == job.fold
    ids, grades, probabilities = target.study_ids[held_out], target.grades[held_out], checked.filled[held_out]
    absent = checked.joined.absent[held_out]
    write_predictions(files, Predictions(ids, probabilities))
    _write_notes(files, ids, absent)
    score = score_of(study_terms(grades, probabilities))
    sources = zip(checked.request.files, checked.joined.digests, strict=True)
    Result(
        score=score.score,
        parts=score.parts,
        studies=len(ids),
        config={"imported": True},
        fingerprint=dict(made_from),
        fit_seconds=None,
        predict_seconds=None,
        command=checked.request.command,
        imported=Imported(
            files=tuple(SourceFile(name=path.name, sha256=digest) for path, digest in sources),
            folds=checked.folds,
            rows=absent.size,
            filled=int(absent.sum()),
            filled_labelled=int((absent & (grades >= 0)).sum()),
            filled_by_condition=_by_condition(absent),
        ),
    ).write(files.result)
    JobRecord(job=job, fingerprint=dict(made_from), threads=0).write(files.job)
    files.finish()


def _by_condition(absent: NDArray[np.bool_]) -> dict[str, int]:
    """How many of the rows (N, 25) belong to each condition."""
    condition = np.array([target.condition for target in TARGETS])
    return {name: int(absent[:, condition == name].sum()) for name in CONDITIONS}


def _write_notes(files: JobFolder, study_ids: NDArray[np.int64], absent: NDArray[np.bool_]) -> None:
    counts = absent.sum(axis=1)
    lines = [
        f"{study},{count} of {len(TARGET_NAMES)} rows missing: filled by the class prior of the other folds,import"
        for study, count in zip(study_ids, counts, strict=True)
        if count
    ]
    write_text(files.notes, "\n".join(["study_id,note,by", *lines]) + "\n")


def _lock(files: JobFolder) -> Path:
    """One lock for all folds of an import."""
    seed = files.path.parent
    return seed.with_name(f"{seed.name}.lock")
