"""How often 95 % intervals hold the truth, and how often equal models are called different (issue figures: 92 to 97 %,
at most 6 %)."""

from __future__ import annotations

import numpy as np
import pytest

from bench.comparison.influence import score_influence, skill_influence
from bench.comparison.power import detectable_difference
from bench.comparison.statistics import estimated, paired_difference
from bench.metric import StudyTerms, reduce

SLOW = pytest.mark.slow
SIZES = [(100, 400), *(pytest.param(n, 2000, marks=SLOW) for n in (100, 395, 1975))]
PAIRS = ("score of base", "base - swin", "swin - mean")


def _margin(share: float, repetitions: int) -> float:
    """Three standard errors of a simulated share, for short runs; the long ones stand as they are."""
    return 0.0 if repetitions >= 800 else 3 * np.sqrt(share * (1 - share) / repetitions)


@pytest.mark.parametrize(("n", "repetitions"), SIZES)
@pytest.mark.parametrize("what", PAIRS)
def test_intervals_cover_the_truth(population, figure, what: str, n: int, repetitions: int) -> None:
    random = np.random.default_rng([n, PAIRS.index(what)])
    models = {"score of base": ["base"], "base - swin": ["base", "swin"], "swin - mean": ["swin", "mean"]}[what]
    terms = [getattr(population, name) for name in models]
    scores = [float(reduce(each)) for each in terms]
    truth = scores[0] if len(scores) == 1 else scores[0] - scores[1]
    covered = agree = 0
    for _ in range(repetitions):
        studies = random.integers(0, len(terms[0]), n)
        influences = [score_influence([each[studies]]) for each in terms]
        found = estimated(influences[0]) if len(terms) == 1 else paired_difference(*influences)
        low, high = found.interval
        covered += low <= truth <= high
        agree += len(terms) == 1 or (found.p < 0.05) == (not low <= 0 <= high)
    figure(f"coverage, {what}, n = {n}", covered / repetitions, "92 to 97 %", repetitions)
    assert agree == repetitions  # interval and unadjusted p
    margin = _margin(0.95, repetitions)
    assert 0.92 - margin <= covered / repetitions <= 0.97 + margin


@pytest.mark.parametrize(("n", "repetitions"), SIZES)
def test_equal_models_are_called_different_in_five_percent(population, figure, n: int, repetitions: int) -> None:
    random = np.random.default_rng([n, 9])
    wrong = 0
    for _ in range(repetitions):
        studies = random.integers(0, len(population.base), n)
        first, second = _exchanged(population.base[studies], population.swin[studies], random)
        wrong += paired_difference(score_influence([first]), score_influence([second])).p < 0.05
    figure(f"false positives, two equal models, n = {n}", wrong / repetitions, "at most 6 %", repetitions)
    assert wrong / repetitions <= 0.06 + _margin(0.05, repetitions)


def _exchanged(first: StudyTerms, second: StudyTerms, random: np.random.Generator) -> tuple[StudyTerms, StudyTerms]:
    """The sign of each study's difference drawn: equal models that differ as much as two real ones."""
    swapped = (random.random(len(first)) < 0.5)[:, None]
    weights = first.denominators
    return (
        StudyTerms(np.where(swapped, second.numerators, first.numerators), weights),
        StudyTerms(np.where(swapped, first.numerators, second.numerators), weights),
    )


@pytest.mark.parametrize("repetitions", [300, pytest.param(800, marks=SLOW)])
def test_intervals_of_skill_cover_the_truth(population, figure, repetitions: int) -> None:
    random = np.random.default_rng(4)
    terms = [population.drawn_base, population.drawn_prior, population.drawn_floor]
    score, prior, floor = (float(reduce(each)) for each in terms)
    truth = (prior - score) / (prior - floor)
    covered, widths = 0, []
    for _ in range(repetitions):
        studies = random.integers(0, len(terms[0]), 100)
        influences = [score_influence([each[studies]], trained=index == 0) for index, each in enumerate(terms)]
        low, high = estimated(skill_influence(*influences)).interval
        covered += low <= truth <= high
        widths.append(high - low)
    figure(f"coverage, skill, n = 100, width {np.mean(widths):.3f}", covered / repetitions, "92 to 97 %", repetitions)
    margin = _margin(0.95, repetitions)
    assert 0.92 - margin <= covered / repetitions <= 0.97 + margin


@pytest.mark.parametrize(("n", "repetitions"), SIZES)
def test_the_detectable_difference_is_found_in_four_of_five(population, figure, n: int, repetitions: int) -> None:
    """The true difference is set to what the whole population's variance says is detectable at n."""
    random = np.random.default_rng([n, 8])
    base, swin = population.base, population.swin
    whole = paired_difference(score_influence([base]), score_influence([swin]))
    of_n = type(whole)(whole.value, whole.variance * len(base) / n, n - 1)
    wanted = detectable_difference(of_n)
    shifted = StudyTerms(swin.numerators + (whole.difference - wanted) * swin.denominators, swin.denominators)
    found, said = 0, []
    for _ in range(repetitions):
        studies = random.integers(0, len(base), n)
        pair = paired_difference(score_influence([base[studies]]), score_influence([shifted[studies]]))
        found += pair.p < 0.05 and pair.difference > 0
        said.append(detectable_difference(pair))
    what = f"power at the detectable difference {wanted:.4f} (said: median {np.median(said):.4f}), n = {n}"
    figure(what, found / repetitions, "75 to 85 %", repetitions)
    margin = _margin(0.8, repetitions)
    assert 0.75 - margin <= found / repetitions <= 0.85 + margin
