from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import kstest, multivariate_normal

from bench.datasets.phantom.labels import (
    RHO,
    Severities,
    covariance_root,
    draw_missing,
    label_model,
    label_statistics,
    nearest_covariance,
    tilted,
)
from bench.targets import TARGET_NAMES


def counts_of(grades: NDArray[np.int8]) -> NDArray[np.int64]:
    return np.stack([(grades == grade).sum(axis=0) for grade in range(3)], axis=1)  # (25, 3)


def real_shares() -> NDArray[np.float64]:
    counts = label_statistics()["counts_normal_moderate_severe_missing"]
    shares = np.array([counts[name][:3] for name in TARGET_NAMES], dtype=float)
    return shares / shares.sum(axis=1, keepdims=True)


def misfit(grades: NDArray[np.int8]) -> float:
    """Summed squared distance of the counts from the real shares, in units of their spread."""
    counts = counts_of(grades)
    expected = counts.sum(axis=1, keepdims=True) * real_shares()
    return float(((counts - expected) ** 2 / expected).sum())


def simulated(studies: int, random: np.random.Generator) -> NDArray[np.int8]:
    """Tables of the same design, drawn all at once."""
    model = label_model()
    latent = random.standard_normal((studies, 25)) @ model.root.T
    observed = latent + np.sqrt(1 - RHO) * random.standard_normal((studies, 25))
    return (observed[..., None] > model.cuts).sum(axis=-1).astype(np.int8)


def test_nearest_covariance_is_positive_with_its_diagonal() -> None:
    indefinite = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    result = nearest_covariance(indefinite, diagonal=1.0)
    assert np.linalg.eigvalsh(result).min() > -1e-8
    np.testing.assert_allclose(np.diag(result), 1.0)
    positive = np.array([[1.0, 0.3], [0.3, 1.0]])
    np.testing.assert_allclose(nearest_covariance(positive, diagonal=1.0), positive, atol=1e-6)


def test_the_stored_root_is_one_of_the_covariance() -> None:
    root, computed = label_model().root, covariance_root()
    np.testing.assert_allclose(root @ root.T, computed @ computed.T, atol=1e-7)


def test_latent_variance_is_rho_for_every_target() -> None:
    root = label_model().root
    np.testing.assert_allclose(np.diag(root @ root.T), RHO, atol=1e-6)


def test_a_study_depends_on_seed_and_index_alone() -> None:
    first = label_model().draw(5, 17)
    for other in range(3):
        label_model().draw(5, other)
    again = label_model().draw(5, 17)
    np.testing.assert_array_equal(first.grades, again.grades)
    np.testing.assert_array_equal(first.steps, again.steps)
    assert not np.array_equal(first.steps, label_model().draw(6, 17).steps)


def test_probabilities_are_those_of_the_drawn_grades() -> None:
    drawn = [label_model().draw(4, index) for index in range(2000)]
    grades = np.stack([one.grades for one in drawn])
    probabilities = np.stack([one.probabilities for one in drawn])
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0)
    labelled = grades >= 0
    for grade in range(3):
        told = probabilities[..., grade][labelled]
        happened = (grades == grade)[labelled]
        for low, high in ((0.05, 0.3), (0.3, 0.7), (0.7, 0.95)):
            chosen = (told > low) & (told < high)
            spread = np.sqrt((told[chosen] * (1 - told[chosen])).sum()) / chosen.sum()
            assert abs(happened[chosen].mean() - told[chosen].mean()) < 4 * spread


def test_steps_stand_at_one_and_two_at_the_cuts() -> None:
    model = label_model()
    np.testing.assert_allclose(model.steps(model.cuts[:, 0]), 1.0)
    np.testing.assert_allclose(model.steps(model.cuts[:, 1]), 2.0)
    rising = model.steps(np.linspace(-3, 3, 50)[:, None] * np.ones(25))
    assert (np.diff(rising, axis=0) > 0).all()


@pytest.fixture(scope="module")
def reference() -> NDArray[np.float64]:
    """Misfits of 1,000 tables of 2,000 studies: targets are correlated, so a plain chi-square would not do."""
    random = np.random.default_rng(1)
    return np.array([misfit(simulated(2000, random)) for _ in range(1000)])


def p_value(seed: int, reference: NDArray[np.float64]) -> float:
    drawn = np.stack([label_model().draw(seed, index).grades for index in range(2000)])
    return float((reference >= misfit(drawn)).mean())


def test_class_shares_are_the_real_ones(reference: NDArray[np.float64]) -> None:
    assert p_value(100, reference) > 0.01


@pytest.mark.slow
def test_class_shares_of_many_seeds_scatter_as_chance_has_it(reference: NDArray[np.float64]) -> None:
    p_values = {seed: p_value(seed, reference) for seed in (0, *range(100, 139))}
    uniform = float(kstest(list(p_values.values()), "uniform").pvalue)
    least = min(p_values, key=p_values.__getitem__)
    print(f"Kolmogorov-Smirnov p {uniform:.2f}; seed {least} {p_values[least]:.3f}, seed 100 {p_values[100]:.3f}")
    assert uniform > 0.01


def test_labels_are_missing_at_the_real_rate() -> None:
    random = np.random.default_rng(2)
    missing = np.stack([draw_missing(random)[0] for _ in range(20_000)])
    counts = label_statistics()["counts_normal_moderate_severe_missing"]
    real = np.array([counts[name][3] for name in TARGET_NAMES]) / 1975
    assert abs(missing.any(axis=1).mean() - 185 / 1975) < 0.015
    np.testing.assert_allclose(missing.mean(axis=0), real, atol=0.005)


def test_tilting_weighs_by_one_two_four() -> None:
    np.testing.assert_allclose(tilted(np.array([0.5, 0.3, 0.2])), np.array([0.5, 0.6, 0.8]) / 1.9)


def polychoric(first: NDArray[np.int8], second: NDArray[np.int8]) -> float:
    """The correlation of two graded variables, by maximum likelihood on a grid."""
    table = np.array([[((first == a) & (second == b)).sum() for b in range(3)] for a in range(3)])
    cuts = [ndtri(np.cumsum(np.bincount(one, minlength=3)[:2]) / len(one)) for one in (first, second)]
    edges = [np.concatenate([[-8], cut, [8]]) for cut in cuts]
    corners = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1)
    grid = np.linspace(-0.2, 0.95, 24)
    likelihood = []
    for rho in grid:
        below = multivariate_normal.cdf(corners, cov=[[1, rho], [rho, 1]])
        cells = np.diff(np.diff(below, axis=0), axis=1)
        likelihood.append((table * np.log(np.clip(cells, 1e-12, None))).sum())
    top = int(np.clip(np.argmax(likelihood), 1, len(grid) - 2))
    bend = np.polyfit(grid[top - 1 : top + 2], likelihood[top - 1 : top + 2], 2)
    return float(-bend[1] / (2 * bend[0]))


@pytest.mark.slow
def test_polychoric_correlation_is_the_real_one() -> None:
    grades = simulated(20_000, np.random.default_rng(3))
    real = np.array(label_statistics()["polychoric"])
    pairs = list(itertools.combinations(range(25), 2))
    differences = [abs(polychoric(grades[:, a], grades[:, b]) - real[a, b]) for a, b in pairs]
    assert np.mean(differences) <= 0.05


def test_marginals_of_the_cuts() -> None:
    np.testing.assert_allclose(ndtr(label_model().cuts[:, 0]), real_shares()[:, 0])
    assert isinstance(label_model().draw(0, 0), Severities)
