"""Comparing approaches on one data set and one split."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from bench.comparison.caveat import caveat_of
from bench.comparison.pooled import Pooled, Split, pool, prior_terms, read_split
from bench.comparison.resampling import Resampled
from bench.comparison.results import ApproachResult, Comparison, Difference, Estimate, FoldScore, Unfinished
from bench.comparison.statistics import RESAMPLES, PairedDifference, holm, interval, paired_difference
from bench.comparison.wording import comparison_notes, labels, result_notes
from bench.errors import UsageError
from bench.jobs.split import SplitFolder
from bench.jobs.store import StoredJob
from bench.metric import PARTS, StudyTerms, reduce, reduce_parts
from bench.metric.localisation import ConditionLocalisation
from bench.metric.localisation import pooled as pooled_localisation
from bench.metric.prior import skill

PRIOR = -1  # where the prior stands among the approaches that are resampled


def compare_each(jobs: Iterable[StoredJob], *, resamples: int = RESAMPLES) -> list[Comparison]:
    """One comparison for each data set and split among these jobs; never across. Splits without a result are left out.

    Raises:
        UsageError: no job is finished.
    """
    splits: dict[SplitFolder, list[StoredJob]] = {}
    for job in jobs:
        splits.setdefault(job.files.split, []).append(job)
    with_results = [members for members in splits.values() if any(job.status == "done" for job in members)]
    if not with_results:
        raise UsageError("no finished job to compare. Run one first, for example: bench run --approach prior")
    return [compare(members, resamples=resamples) for members in with_results]


def compare(jobs: Sequence[StoredJob], *, resamples: int = RESAMPLES) -> Comparison:
    """Compare what the finished ones of these jobs predicted.

    Args:
        jobs: all of one data set and one split, in any state.
        resamples: of studies, and of seeds where an approach has several.

    Raises:
        UsageError: none is finished, or they are not all of one split.
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
    pooled = [pool(members, split) for members in groups.values()]
    prior = prior_terms(split)
    resampled = Resampled([[prior], *([*each.terms.values()] for each in pooled)], resamples)
    results = [
        _result(label, each, split, prior, resampled, index)
        for index, (label, each) in enumerate(zip(labels(pooled), pooled, strict=True))
    ]
    order = sorted(range(len(results)), key=lambda i: (not results[i].complete, results[i].estimate.score))
    graded = np.logical_or.reduce([each.held_out for each in pooled])
    first = finished[0]
    return Comparison(
        dataset=first.dataset,
        data_hash=first.data_hash,
        fold_hash=first.fold_hash,
        of_folds=first.folds,
        studies=len(split),
        prior=_estimate([prior[graded]], resampled.draws(PRIOR, graded)),
        prior_studies=int(graded.sum()),
        floor=None if split.floor is None else _known(split.floor[graded]),
        approaches=tuple(results[i] for i in order),
        differences=_differences(results, pooled, order, resampled),
        excluded=split.about.excluded,
        unfinished=tuple(_unfinished(job, status[job.folder]) for job in jobs if status[job.folder] != "done"),
        notes=comparison_notes([results[i] for i in order]),
        caveat=caveat_of(split.about, first),
    )


def _result(
    label: str,
    pooled: Pooled,
    split: Split,
    prior: StudyTerms,
    resampled: Resampled,
    index: int,
) -> ApproachResult:
    job = pooled.jobs[0]
    estimate = _estimate(
        [terms[pooled.held_out] for terms in pooled.terms.values()], resampled.draws(index, pooled.held_out)
    )
    prior_score = _score(prior, pooled)
    return ApproachResult(
        label=label,
        approach=job.approach,
        preset=job.preset,
        config_hash=job.config_hash,
        train_fraction=job.train_fraction,
        seeds=tuple(pooled.terms),
        folds=tuple(_fold_score(fold, pooled, split) for fold in pooled.folds),
        of_folds=job.folds,
        studies=int(pooled.held_out.sum()),
        estimate=estimate,
        prior=prior_score,
        versus_prior=_paired(resampled, index, PRIOR, pooled.held_out, estimate.score - prior_score),
        skill=None if split.floor is None else skill(estimate.score, prior_score, _score(split.floor, pooled)),
        fit_seconds=sum(job.result.fit_seconds for job in pooled.jobs) / len(pooled.terms),
        predict_seconds=sum(job.result.predict_seconds for job in pooled.jobs) / len(pooled.terms),
        peak_memory_mb=max((job.result.peak_memory_mb or 0.0 for job in pooled.jobs), default=0.0) or None,
        true_points=_true_points(pooled),
        localisation=_localisation(pooled),
        notes=result_notes(pooled),
        jobs=pooled.jobs,
    )


def _estimate(seeds: Sequence[StudyTerms], draws: np.ndarray) -> Estimate:
    parts = np.mean([reduce_parts(terms) for terms in seeds], axis=0)
    score = statistics.fmean(float(reduce(terms)) for terms in seeds)
    return Estimate(score, interval(draws), dict(zip(PARTS, parts.tolist(), strict=True)))


def _known(terms: StudyTerms) -> dict[str, Any]:
    parts = dict(zip(PARTS, reduce_parts(terms).tolist(), strict=True))
    return {"score": float(reduce(terms)), "parts": parts}


def _score(terms: StudyTerms, pooled: Pooled) -> float:
    """The score of a reference on the studies that an approach has graded."""
    return float(reduce(terms[pooled.held_out]))


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


def _paired(resampled: Resampled, first: int, second: int, studies: np.ndarray, observed: float) -> PairedDifference:
    return paired_difference(resampled.draws(first, studies), resampled.draws(second, studies), observed)


def _differences(
    results: Sequence[ApproachResult], pooled: Sequence[Pooled], order: Sequence[int], resampled: Resampled
) -> tuple[Difference, ...]:
    """All pairs on the studies that both have graded, in the order of the table."""
    pairs = []
    for first, second in combinations(order, 2):
        common = pooled[first].held_out & pooled[second].held_out
        if common.any():
            scores = [
                statistics.fmean(float(reduce(terms[common])) for terms in pooled[index].terms.values())
                for index in (first, second)
            ]
            pairs.append((first, second, common, _paired(resampled, first, second, common, scores[0] - scores[1])))
    adjusted = holm([paired.p for *_, paired in pairs])
    return tuple(
        Difference(results[first].label, results[second].label, int(common.sum()), paired, p)
        for (first, second, common, paired), p in zip(pairs, adjusted, strict=True)
    )


def _unfinished(job: StoredJob, status: str) -> Unfinished:
    failure = job.failure if status == "failed" else None
    if failure is not None:
        return Unfinished(job.label, failure.status, failure.reason)
    return Unfinished(job.label, status, (job.files.why_damaged() or "") if status == "damaged" else "")
