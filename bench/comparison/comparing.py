"""Comparing approaches on one data set and one split."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.comparison.caveat import caveat_of
from bench.comparison.families import Line, families
from bench.comparison.imported import imported_from
from bench.comparison.influence import Influence, score_influence, skill_influence
from bench.comparison.pairs import Mask, Pairs
from bench.comparison.pooled import Pooled, Split, pool, prior_terms, read_split
from bench.comparison.presets import preset_names
from bench.comparison.resampling import RESAMPLES
from bench.comparison.results import (
    ApproachResult,
    Comparison,
    Difference,
    Estimate,
    FamilyResult,
    FoldScore,
    Unfinished,
)
from bench.comparison.statistics import Estimated, estimated, paired_difference
from bench.comparison.wording import comparison_notes, labels, other_images_note, result_notes
from bench.errors import DataError, UsageError
from bench.jobs.folder import JobFolder
from bench.jobs.result import DamagedFileError
from bench.jobs.split import SplitFolder
from bench.jobs.store import StoredJob, Unreadable
from bench.metric import PARTS, StudyTerms, reduce, reduce_parts
from bench.metric.localisation import ConditionLocalisation
from bench.metric.localisation import pooled as pooled_localisation


def compare_each(
    jobs: Iterable[StoredJob],
    *,
    resamples: int = RESAMPLES,
    unreadable: Sequence[Unreadable] = (),
    left_out: Callable[[str], None] | None = None,
) -> list[Comparison]:
    """One comparison for each data set and split among these jobs; never across. Splits without a result are left out.

    Args:
        jobs: of any splits.
        resamples: see `compare`.
        unreadable: folders of jobs that cannot be read; each is named in the comparison of its split.
        left_out: told of every split that is left out, and why. Without it, a damaged split is an error.

    Raises:
        UsageError: no job is finished.
        DataError: a split is damaged, and `left_out` is None or no other split can be compared.
    """
    splits: dict[SplitFolder, list[StoredJob]] = {}
    for job in jobs:
        splits.setdefault(job.files.split, []).append(job)
    comparisons: list[Comparison] = []
    problems: list[DataError | DamagedFileError] = []
    for split, members in splits.items():
        if not any(job.status == "done" for job in members):
            if left_out is not None:
                left_out(f"{members[0].dataset} in {split.path}: none of its {len(members)} jobs is finished")
            continue
        try:
            compared = compare(members, resamples=resamples)
        except (DataError, DamagedFileError) as error:
            problems.append(error)
            continue
        damaged = [each for each in unreadable if JobFolder(each.folder).split == split]
        more = tuple(Unfinished(str(each.folder), "damaged", each.reason) for each in damaged)
        comparisons.append(replace(compared, unfinished=(*compared.unfinished, *more)))
    if problems and (left_out is None or not comparisons):
        raise problems[0]
    for problem in problems:
        if left_out is not None:
            left_out(str(problem))
    if not comparisons:
        raise UsageError("no finished job to compare. Run one first, for example: bench run --approach prior")
    return [_with_others_named(each, comparisons) for each in comparisons]


def _with_others_named(comparison: Comparison, comparisons: Sequence[Comparison]) -> Comparison:
    """With a note where another one is on the same folds of the same data set, but on other images."""
    alike = [
        each for each in comparisons if (each.dataset, each.fold_hash) == (comparison.dataset, comparison.fold_hash)
    ]
    others = [each.data_hash[:8] for each in alike if each.data_hash != comparison.data_hash]
    return replace(comparison, notes=(*comparison.notes, other_images_note(others))) if others else comparison


def compare(jobs: Sequence[StoredJob], *, resamples: int = RESAMPLES) -> Comparison:
    """Compare what the finished ones of these jobs predicted.

    Args:
        jobs: all of one data set and one split, in any state.
        resamples: bootstrap samples of studies, for adjusted p-values and the stability of ranks.

    Raises:
        UsageError: none is finished, or they are not all of one split.
        DataError: a file of the split or a prediction is gone, or no study has a label.
    """
    status = {job.folder: job.status for job in jobs}
    finished = [job for job in jobs if status[job.folder] == "done"]
    folders = {job.files.split for job in jobs}
    if not finished or len(folders) != 1:
        what = f"jobs of {len(folders)} splits" if len(folders) > 1 else "no finished job"
        raise UsageError(f"a comparison needs finished jobs of one data set and one split; these are {what}.")
    split = read_split(folders.pop())
    groups: dict[tuple[str, str, str, float], list[StoredJob]] = {}
    for job in finished:
        groups.setdefault((job.approach, job.preset, job.config_hash, job.train_fraction), []).append(job)
    prior = prior_terms(split)
    if not prior.denominators.any():
        raise DataError(f"all weights are 0: none of the {len(split)} studies has a label. Give labels for some.")
    pooled = [pool(members, split) for members in groups.values()]
    names = labels(pooled)
    pairs = Pairs(pooled, names, folds=split.fold, weights=prior.denominators, resamples=resamples)
    lines = [_line(each) for each in pooled]
    results = [_result(names[index], lines[index], split, prior, pairs, index) for index in range(len(pooled))]
    order = sorted(range(len(results)), key=lambda i: _place(results[i]))
    compared, differences = _compared(order, lines, pairs)
    graded = np.logical_or.reduce([each.held_out for each in pooled])
    first = finished[0]
    return Comparison(
        dataset=first.dataset,
        data_hash=first.data_hash,
        fold_hash=first.fold_hash,
        of_folds=first.folds,
        studies=len(split),
        prior=_estimate([prior[graded]], estimated(_reference(prior, graded))),
        prior_studies=int(graded.sum()),
        floor=None if split.floor is None else _known(split.floor[graded]),
        approaches=tuple(results[i] for i in order),
        families=compared,
        differences=differences,
        resamples=pairs.drawn,
        redrawn=pairs.redrawn,
        excluded=split.about.excluded,
        unfinished=tuple(_unfinished(job, status[job.folder]) for job in jobs if status[job.folder] != "done"),
        notes=comparison_notes([results[i] for i in order], compared, pairs.drawn, pairs.redrawn),
        caveat=caveat_of(split.about, first),
    )


def _place(result: ApproachResult) -> tuple[bool, float, float]:
    """What approaches are sorted by: complete ones first, then those trained on most studies, then the score."""
    return not result.complete, -result.train_fraction, result.estimate.score


def _result(label: str, line: Line, split: Split, prior: StudyTerms, pairs: Pairs, index: int) -> ApproachResult:
    pooled = pairs.pooled[index]
    job = pooled.jobs[0]
    studies = pooled.held_out
    score, of_prior = pairs.influence(index, studies), _reference(prior, studies)
    skill = None
    if split.floor is not None:
        skill = estimated(skill_influence(score, of_prior, _reference(split.floor, studies)))
    return ApproachResult(
        label=label,
        approach=job.approach,
        preset=job.preset,
        config_hash=job.config_hash,
        train_fraction=job.train_fraction,
        seeds=tuple(pooled.terms),
        folds=tuple(_fold_score(fold, pooled, split) for fold in pooled.folds),
        of_folds=job.folds,
        studies=int(studies.sum()),
        estimate=_estimate([terms[studies] for terms in pooled.terms.values()], estimated(score)),
        prior=of_prior.value,
        versus_prior=paired_difference(score, of_prior),
        skill=None if skill is None else skill.value,
        skill_interval=None if skill is None else skill.interval,
        ablation_of=line.ablation_of,
        fit_seconds=_per_seed([job.result.fit_seconds for job in pooled.jobs], pooled),
        predict_seconds=_per_seed([job.result.predict_seconds for job in pooled.jobs], pooled),
        peak_memory_mb=max((job.result.peak_memory_mb or 0.0 for job in pooled.jobs), default=0.0) or None,
        true_points=_true_points(pooled),
        localisation=_localisation(pooled),
        notes=result_notes(pooled, line),
        jobs=pooled.jobs,
        imported=imported_from(pooled.jobs),
    )


def _per_seed(seconds: Sequence[float | None], pooled: Pooled) -> float | None:
    known = [each for each in seconds if each is not None]
    return sum(known) / len(pooled.terms) if len(known) == len(seconds) else None


def _compared(
    order: Sequence[int], lines: Sequence[Line], pairs: Pairs
) -> tuple[tuple[FamilyResult, ...], tuple[Difference, ...]]:
    """All families and their differences, approaches in the order of the table."""
    found = [pairs.compare(family, order) for family in families([lines[index] for index in order])]
    compared = [each for each in found if each is not None]
    return tuple(family for family, _ in compared), tuple(each for _, own in compared for each in own)


def _line(pooled: Pooled) -> Line:
    job = pooled.jobs[0]
    complete = len(pooled.folds) == job.folds
    presets = preset_names(job) if "-" in job.preset else frozenset()
    return Line(job.approach, job.preset, job.config_hash, job.train_fraction, complete, presets)


def _reference(terms: StudyTerms, studies: Mask) -> Influence:
    """The score of the class prior or the noise floor on some studies."""
    return score_influence([terms[studies]], trained=False)


def _estimate(seeds: Sequence[StudyTerms], score: Estimated) -> Estimate:
    parts = np.mean([reduce_parts(terms) for terms in seeds], axis=0)
    by_name = dict(zip(PARTS, parts.tolist(), strict=True))
    return Estimate(score.value, score.interval, score.standard_error, score.df, by_name)


def _known(terms: StudyTerms) -> dict[str, Any]:
    parts = dict(zip(PARTS, reduce_parts(terms).tolist(), strict=True))
    return {"score": float(reduce(terms)), "parts": parts}


def _fold_score(fold: int, pooled: Pooled, split: Split) -> FoldScore:
    studies = split.fold == fold
    by_seed = {seed: float(reduce(terms[studies])) for seed, terms in pooled.terms.items()}
    return FoldScore(fold, int(studies.sum()), by_seed)


def _true_points(pooled: Pooled) -> float | None:
    if pooled.true_points is None:
        return None
    return statistics.fmean(float(reduce(terms[pooled.held_out])) for terms in pooled.true_points.values())


def _localisation(of: Pooled) -> dict[str, ConditionLocalisation] | None:
    documents = [job.result.localisation for job in of.jobs]
    known = [document for document in documents if document is not None]
    return pooled_localisation(known) if len(known) == len(documents) else None


def _unfinished(job: StoredJob, status: str) -> Unfinished:
    failure = job.failure if status == "failed" else None
    if failure is not None:
        return Unfinished(job.label, failure.status, failure.reason)
    return Unfinished(job.label, status, (job.files.why_damaged() or "") if status == "damaged" else "")
