"""A comparison as a JSON document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.comparison.results import ApproachResult, Comparison, Difference, Estimate, FamilyResult

SCHEMA_VERSION = 1


def comparisons_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """One document for a whole store: that of its one comparison, or ``sections`` where there are several."""
    if len(comparisons) == 1:
        return comparison_json(comparisons[0])
    return {"schema_version": SCHEMA_VERSION, "sections": [comparison_json(each) for each in comparisons]}


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """One data set and split: ``reference``, ``approaches``, ``differences`` and what has to be known of them.

    Numbers that do not exist are null, such as a part that no study has a label for.
    """
    floor = comparison.floor
    prior = _estimate(comparison.prior) | {"studies": comparison.prior_studies}
    document = {
        "schema_version": SCHEMA_VERSION,
        "dataset": comparison.dataset,
        "caveat": comparison.caveat,
        "data_hash": comparison.data_hash,
        "fold_hash": comparison.fold_hash,
        "folds": comparison.of_folds,
        "studies": comparison.studies,
        "ranked": comparison.ranked,
        "resamples": {"used": comparison.resamples, "redrawn": comparison.redrawn},
        "reference": {
            "prior": prior["score"],
            "prior_detail": prior,
            "floor": None if floor is None else floor["score"],
            "floor_detail": None if floor is None else dict(floor),
        },
        "approaches": [_approach(result, comparison) for result in comparison.approaches],
        "families": [_family(family) for family in comparison.families],
        "differences": [_difference(difference) for difference in comparison.differences],
        "excluded": {str(study): reason for study, reason in comparison.excluded.items()},
        "unfinished": [
            {"label": job.label, "status": job.status, "reason": job.reason} for job in comparison.unfinished
        ],
        "notes": list(comparison.notes),
    }
    cleaned = _without_nan(document)
    assert isinstance(cleaned, dict)
    return cleaned


def _approach(result: ApproachResult, comparison: Comparison) -> dict[str, Any]:
    return {
        "name": result.approach,
        "preset": result.preset,
        "label": result.label,
        "config_hash": result.config_hash,
        "train_fraction": result.train_fraction,
        "seeds": list(result.seeds),
        "complete": result.complete,
        "studies": result.studies,
        "rank": comparison.rank(result),
        **_estimate(result.estimate),
        "folds": [
            {
                "fold": fold.fold,
                "score": fold.score,
                "studies": fold.studies,
                "seeds": {str(seed): score for seed, score in fold.by_seed.items()},
            }
            for fold in result.folds
        ],
        "fold_mean": result.fold_mean,
        "fold_spread": result.fold_spread,
        "prior": result.prior,
        "versus_prior": {
            "difference": result.versus_prior.difference,
            "interval": list(result.versus_prior.interval),
            "p": result.versus_prior.p,
        },
        "skill": result.skill,
        "skill_interval": None if result.skill_interval is None else list(result.skill_interval),
        "ablation_of": result.ablation_of,
        "true_points": result.true_points,
        "localisation": _localisation(result),
        "fit_seconds": result.fit_seconds,
        "predict_seconds": result.predict_seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "imported": None if result.imported is None else result.imported.model_dump(mode="json"),
        "notes": list(result.notes),
    }


def _localisation(result: ApproachResult) -> dict[str, Any] | None:
    """By condition, without the single distances."""
    if result.localisation is None:
        return None
    raw = ("slices_off", "distances_mm")
    return {
        condition: {name: value for name, value in points.document().items() if name not in raw}
        for condition, points in result.localisation.items()
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "first": difference.first,
        "second": difference.second,
        "studies": difference.studies,
        "difference": difference.paired.difference,
        "interval": list(difference.paired.interval),
        "standard_error": difference.paired.standard_error,
        "df": difference.paired.df,
        "one_seed": difference.paired.one_seed,
        "detectable": difference.detectable,
        "family": difference.family,
        "p": difference.paired.p,
        "p_adjusted": difference.p_adjusted,
        "separable": difference.separable,
        "verdict": difference.verdict,
    }


def _family(family: FamilyResult) -> dict[str, Any]:
    """``p_adjusted`` is a matrix in the order of ``approaches``; ``rank_shares`` by approach, from rank 1 on."""
    stability = family.stability
    return {
        "kind": family.kind,
        "name": family.name,
        "approaches": list(family.labels),
        "pairs": family.pairs,
        "seeds": family.seeds,
        "studies": family.studies,
        "ranked": family.ranked,
        "detectable": family.detectable,
        "p_adjusted": [list(row) for row in family.p_adjusted],
        "rank_shares": None
        if stability is None
        else {label: list(shares) for label, shares in zip(stability.labels, stability.shares, strict=True)},
        "kendall_tau": None if stability is None else stability.kendall_tau,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "score": estimate.score,
        "interval": list(estimate.interval),
        "standard_error": estimate.standard_error,
        "df": estimate.df,
        "parts": dict(estimate.parts),
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
