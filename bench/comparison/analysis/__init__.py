"""What predictions say beyond scores: where the loss comes from, label errors, blends, costs, notes."""

from __future__ import annotations

from bench.comparison.analysis.whole import Analysis, analyse, analysis_json

__all__ = ["Analysis", "analyse", "analysis_json"]
