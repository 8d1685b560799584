"""The competition's weighted log loss: validate -> align -> per-study terms -> reduce.

Source: the official metric of RSNA 2024 Lumbar Spine Degenerative Classification as published on Kaggle, with the
row normalisation of the scikit-learn versions (<= 1.4) that it ran on.
"""

from __future__ import annotations

from bench.metric.scoring import Score, score, score_files
from bench.metric.terms import EPS, PARTS, StudyTerms, reduce, reduce_parts, study_terms

__all__ = ["EPS", "PARTS", "Score", "StudyTerms", "reduce", "reduce_parts", "score", "score_files", "study_terms"]
