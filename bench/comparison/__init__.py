"""From finished jobs in a store to a comparison of approaches: pooled out-of-fold scores, intervals, paired tests."""

from __future__ import annotations

from bench.comparison.comparing import compare, compare_each
from bench.comparison.document import comparison_json, comparisons_json
from bench.comparison.results import (
    ApproachResult,
    Comparison,
    Difference,
    Estimate,
    FamilyResult,
    FoldScore,
    Unfinished,
)

__all__ = [
    "ApproachResult",
    "Comparison",
    "Difference",
    "Estimate",
    "FamilyResult",
    "FoldScore",
    "Unfinished",
    "compare",
    "compare_each",
    "comparison_json",
    "comparisons_json",
]
