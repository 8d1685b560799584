"""Readers of features that should carry little information, and perfect readers of other quantities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.datasets.phantom.canvas import FloatArray
from bench.datasets.phantom.labels import RHO, label_model, tilted
from bench.datasets.phantom.person import draw_person
from bench.metric.prior import prior_probabilities
from bench.targets import LEVELS, TARGETS


def prior(grades: NDArray[np.int8], studies: int) -> FloatArray:
    """(studies, 25, 3) class prior of the training grades, the same for every study."""
    return np.tile(prior_probabilities(grades), (studies, 1, 1))


def histograms(crops: NDArray[np.uint8], bins: int = 16) -> FloatArray:
    """(N, T, bins) share of grey values of crops (N, T, S, H, W)."""
    edges = np.linspace(0, 256, bins + 1)
    flat = crops.reshape(-1, int(np.prod(crops.shape[2:])))
    counts = np.stack([np.histogram(one, edges)[0] for one in flat])
    return (counts / flat.shape[1]).reshape(*crops.shape[:2], bins)


def logistic_by_condition(train: FloatArray, grades: NDArray[np.int8], test: FloatArray) -> FloatArray:
    """Probabilities from features (N, 25, F) of each target, one model per condition, which also gets the level."""
    result = np.empty((len(test), len(TARGETS), 3))
    level = np.eye(len(LEVELS))[[LEVELS.index(target.level) for target in TARGETS]]
    for condition in dict.fromkeys(target.condition for target in TARGETS):
        mine = np.array([i for i, target in enumerate(TARGETS) if target.condition == condition])
        x, y = _with_level(train, mine, level), grades[:, mine].reshape(-1)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=400))
        keep = y >= 0
        model.fit(x[keep], y[keep])
        raw = np.full((len(test) * len(mine), 3), 1e-3)
        raw[:, model.classes_] = model.predict_proba(_with_level(test, mine, level))
        result[:, mine] = tilted(raw / raw.sum(axis=1, keepdims=True)).reshape(len(test), len(mine), 3)
    return result


def _with_level(features: FloatArray, mine: NDArray[np.int64], level: FloatArray) -> FloatArray:
    rows = features[:, mine]
    tiled = np.broadcast_to(level[mine], (*rows.shape[:2], level.shape[1]))
    return np.concatenate([rows, tiled], axis=-1).reshape(-1, rows.shape[-1] + level.shape[1])


def boosted(train: FloatArray, grades: NDArray[np.int8], test: FloatArray) -> FloatArray:
    """Gradient boosting from features (N, F) of whole studies, one strongly regularised model per target."""
    result = prior(grades, len(test))
    for target in range(len(TARGETS)):
        keep = grades[:, target] >= 0
        model = HistGradientBoostingClassifier(
            max_iter=25, learning_rate=0.04, max_leaf_nodes=6, min_samples_leaf=20, l2_regularization=5.0
        )
        if len(np.unique(grades[keep, target])) < 2:
            continue
        model.fit(train[keep], grades[keep, target])
        raw = np.full((len(test), 3), 2e-3)
        raw[:, model.classes_] = np.clip(model.predict_proba(test), 2e-3, None)
        result[:, target] = tilted(raw / raw.sum(axis=1, keepdims=True))
    return result


def neighbour(target: int) -> int:
    """The same condition and side one level further down; up from the lowest."""
    return target + 1 if TARGETS[target].level != LEVELS[-1] else target - 1


def perfect_reader_of_neighbours(steps: FloatArray) -> FloatArray:
    """(N, 25, 3) probabilities of each grade given the exact severity of the neighbouring level, tilted."""
    model = label_model()
    covariance = model.root @ model.root.T
    first, second = model.cuts[:, 0], model.cuts[:, 1]
    latent = first + np.where(steps < 1, (steps - 1) * 0.7, (steps - 1) * (second - first))
    other = [neighbour(target) for target in range(len(TARGETS))]
    slope = np.array([covariance[target, n] for target, n in enumerate(other)]) / RHO
    mean = latent[:, other] * slope
    spread = np.sqrt(1 - slope**2 * RHO)
    below = ndtr((model.cuts - mean[..., None]) / spread[:, None])
    return tilted(np.stack([below[..., 0], below[..., 1] - below[..., 0], 1 - below[..., 1]], axis=-1))


def perfect_reader_of_degeneration(degeneration: FloatArray, *, people: int = 6000) -> FloatArray:
    """(N, 25, 3) probabilities given the exact degeneration of the five discs, fitted on ``people`` without images."""
    drawn = [label_model().draw(77, index) for index in range(people)]
    discs = np.stack([draw_person(77, index, one.steps).degeneration for index, one in enumerate(drawn)])
    grades = np.stack([one.grades for one in drawn])
    result = np.empty((len(degeneration), len(TARGETS), 3))
    for target in range(len(TARGETS)):
        keep = grades[:, target] >= 0
        model = LogisticRegression(max_iter=400).fit(_logit(discs[keep]), grades[keep, target])
        result[:, target] = tilted(model.predict_proba(_logit(degeneration)))
    return result


def _logit(values: FloatArray) -> FloatArray:
    clipped = np.clip(values, 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))
