"""Influence values against the jackknife, and what seeds add against an analysis of variance by hand."""

import numpy as np
import pytest

from bench.comparison.influence import mean_terms, score_influence, skill_influence
from bench.metric import StudyTerms, reduce


def jackknife(statistic, studies: int) -> np.ndarray:
    """(N,) pseudo-values less their mean: what influence values approximate."""
    without = np.array([statistic(np.arange(studies) != left_out) for left_out in range(studies)])
    return (studies - 1) * (without.mean() - without)


def test_influence_values_are_those_of_the_jackknife(model) -> None:
    terms = model(2.0, 1)
    influence = score_influence([terms])
    assert influence.value == pytest.approx(float(reduce(terms)))
    assert influence.by_study.sum() == pytest.approx(0, abs=1e-9)
    expected = jackknife(lambda kept: float(reduce(terms[kept])), len(terms))
    np.testing.assert_allclose(influence.by_study, expected, atol=0.03 * expected.std())
    assert influence.one_seed
    assert not score_influence([terms], trained=False).one_seed


def test_skill_is_a_ratio_of_paired_differences(model) -> None:
    score, prior, floor = model(2.0, 1), model(0.0, 2), model(4.0, 3)
    influence = skill_influence(*(score_influence([terms]) for terms in (score, prior, floor)))

    def skill(kept: np.ndarray) -> float:
        a, b, c = (float(reduce(terms[kept])) for terms in (score, prior, floor))
        return (b - a) / (b - c)

    assert influence.value == pytest.approx(skill(np.ones(len(score), dtype=bool)))
    expected = jackknife(skill, len(score))
    np.testing.assert_allclose(influence.by_study, expected, atol=0.03 * expected.std())
    assert np.isnan(skill_influence(*(score_influence([terms]) for terms in (score, prior, prior))).value)


def test_a_part_without_labels_is_left_out(model) -> None:
    terms = model(2.0, 1)
    terms.numerators[:, 3] = terms.denominators[:, 3] = 0
    influence = score_influence([terms])
    assert influence.value == pytest.approx(float(reduce(terms)))
    assert np.isfinite(influence.by_study).all()


def test_without_any_label_nothing_is_known(model) -> None:
    terms = model(2.0, 1)
    terms.numerators[:] = terms.denominators[:] = 0
    influence = score_influence([terms])
    assert np.isnan(influence.value)
    assert np.isnan(influence.by_study).all()


def test_seeds_that_shift_whole_folds(model) -> None:
    """A shift of every loss of a fold is the seeds' own; nothing of it is interaction with studies."""
    terms = model(2.0, 1)
    folds = np.arange(len(terms)) % 4
    shifts = np.random.default_rng(5).standard_normal((3, 4))
    seeds = [
        StudyTerms(terms.numerators + shift[folds][:, None] * terms.denominators, terms.denominators)
        for shift in shifts
    ]
    influence = score_influence(seeds, folds)
    totals = terms.denominators.sum(axis=0)
    weight = np.array([(terms.denominators[folds == fold].sum(axis=0) / totals).mean() for fold in range(4)])
    np.testing.assert_allclose(influence.seed_variances, (shifts * weight).var(axis=0, ddof=1) / 3)
    assert influence.interaction == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(influence.seed_df, [2, 2, 2, 2])
    assert influence.value == pytest.approx(float(np.mean([reduce(seed) for seed in seeds])))
    assert not influence.one_seed


def test_seeds_that_differ_study_by_study_are_interaction(model) -> None:
    """Independent noise per study and seed: its sum over a fold varies by chance alone, which is subtracted."""
    variances, interactions = [], []
    for start in range(0, 600, 3):
        seeds = [model(2.0, start + seed) for seed in range(3)]
        influence = score_influence(seeds, np.arange(200) % 5)
        variances.append(influence.seed_variances.sum())
        interactions.append(influence.interaction)
    assert np.mean(variances) == pytest.approx(np.mean(interactions), rel=0.1)


def test_differences_keep_both_sides_seeds(model) -> None:
    folds = np.arange(200) % 5
    first = score_influence([model(2.0, seed) for seed in range(3)], folds)
    second = score_influence([model(2.0, seed) for seed in range(3, 5)], folds)
    difference = first - second
    assert difference.value == pytest.approx(first.value - second.value)
    np.testing.assert_array_equal(difference.seed_df, [2] * 5 + [1] * 5)
    assert difference.interaction == pytest.approx(first.interaction + second.interaction)
    halved = difference.times(0.5)
    np.testing.assert_allclose(halved.seed_variances, difference.seed_variances / 4)


def test_the_mean_of_terms_scores_the_mean(model) -> None:
    seeds = [model(sharpness, seed) for seed, sharpness in enumerate((1.0, 2.0, 3.0))]
    assert reduce(mean_terms(seeds)) == pytest.approx(np.mean([reduce(terms) for terms in seeds]))


def test_several_seeds_need_folds(model) -> None:
    with pytest.raises(ValueError, match="2 seeds need the folds"):
        score_influence([model(2.0, 1), model(2.0, 2)])
