"""Hardest studies and disagreements."""

import numpy as np
import pytest

from bench.comparison.analysis.studies import disagreements, hardest
from bench.metric import study_terms


def test_what_studies_add_sums_to_the_score(read) -> None:
    of = read({"mil": 2.0, "other": 1.0}, studies=16, folds=2)
    found = hardest(of)
    assert len(found) == 16
    for label in ("mil-quick", "other-quick"):
        total = sum(each.by_approach[label] for each in found)
        assert total == pytest.approx(of.named(label).result.estimate.score)
    assert [each.loss for each in found] == sorted((each.loss for each in found), reverse=True)


def test_the_study_and_target_that_differ_are_named(read) -> None:
    of = read({"mil": 3.0, "other": 3.0})
    pair = of.comparison.differences[0]
    study = int(np.flatnonzero(of.split.grades[:, 7] == 2)[0])
    other = of.named(pair.second)
    values = other.pooled.probabilities[0]
    values[study, 7] = [0.998, 0.001, 0.001]
    other.pooled.terms[0].numerators[:] = study_terms(of.split.grades, values).numerators
    first = disagreements(of)[0]
    assert first.study == of.split.study_ids[study]
    assert first.target == "left_neural_foraminal_narrowing_l3_l4"
    assert first.grade == 2
    assert first.difference < 0  # the first approach is better there


def test_one_approach_disagrees_with_nobody(read) -> None:
    assert disagreements(read({"mil": 2.0})) == ()


def test_the_prior_alone_has_no_hardest_study(read) -> None:
    assert hardest(read({"prior": 0.0})) == ()
