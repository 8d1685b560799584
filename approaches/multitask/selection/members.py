"""The members of an ensemble: random forest, SVM, MLP and XGBoost, each calibrated on folds grouped by study."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .config import SelectionConfig

FOREST, SVM, MLP, XGBOOST = "random forest", "SVM", "MLP", "XGBoost"
MEMBERS = (FOREST, SVM, MLP, XGBOOST)
Splits = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


class Member(Protocol):
    """A calibrated classifier."""

    def probability(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) that each slice is marked."""


@dataclass(frozen=True, slots=True, eq=False)
class SklearnMember:
    """A scikit-learn classifier in its `CalibratedClassifierCV`."""

    classifier: BaseEstimator

    def probability(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) that each slice is marked."""
        return self.classifier.predict_proba(matrix)[:, 1]


@dataclass(frozen=True, slots=True, eq=False)
class BoostedMember:
    """XGBoost's trees and the sigmoid of their margin.

    Attributes:
        booster: the trees.
        slope, intercept: of the log odds as a function of the margin.
    """

    booster: Any
    slope: float
    intercept: float

    def probability(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) that each slice is marked."""
        margin = self.booster.inplace_predict(matrix, predict_type="margin").astype(np.float64)
        return 1 / (1 + np.exp(-(self.slope * margin + self.intercept)))


def grouped_splits(marked: NDArray[np.bool_], groups: NDArray[np.int64], folds: int) -> Splits | None:
    """Folds with whole studies, each training part with marked and unmarked slices; None if there are none such."""
    count = min(folds, len(np.unique(groups)))
    if count < 2 or len(np.unique(marked)) < 2:
        return None
    splits = list(GroupKFold(count).split(marked, groups=groups))
    both = all(len(np.unique(marked[part])) == 2 for split in splits for part in split)
    return splits if both else None


def fit_member(
    name: str,
    matrix: NDArray[np.float32],
    marked: NDArray[np.bool_],
    splits: Splits,
    config: SelectionConfig,
    seed: int,
) -> Member:
    """A trained and calibrated member.

    Args:
        name: of `MEMBERS`.
        matrix: (n, D) of all slices.
        marked: (n,) which are marked.
        splits: from `grouped_splits`.
        config: of selection.
        seed: of its random numbers.
    """
    if name == XGBOOST:
        return _fit_boosting(matrix, marked, splits, config, seed)
    if name == SVM:
        rows = balanced_rows(marked, config.svm.most_slices, seed)
        if len(rows) < len(marked):
            matrix, marked, splits = _restricted(matrix, marked, splits, rows)
    classifier = CalibratedClassifierCV(
        _untrained(name, len(marked), matrix.shape[1], config, seed), method="sigmoid", cv=splits, ensemble=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is chosen
        return SklearnMember(classifier.fit(matrix, marked))


def balanced_rows(marked: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.int64]:
    """At most so many rows, in order: of the marked ones up to one half, the rest unmarked."""
    if len(marked) <= most:
        return np.arange(len(marked))
    random = np.random.default_rng(seed)
    yes, no = np.flatnonzero(marked), np.flatnonzero(~marked)
    taken = min(len(yes), max(most // 2, most - len(no)))
    chosen = [random.permutation(yes)[:taken], random.permutation(no)[: most - taken]]
    return np.sort(np.concatenate(chosen))


def _restricted(
    matrix: NDArray[np.float32], marked: NDArray[np.bool_], splits: Splits, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], Splits]:
    place = np.full(len(marked), -1)
    place[rows] = np.arange(len(rows))
    parts = [tuple(place[part][place[part] >= 0] for part in split) for split in splits]
    return matrix[rows], marked[rows], parts  # type: ignore[return-value]


def _untrained(name: str, slices: int, features: int, config: SelectionConfig, seed: int) -> BaseEstimator:
    def components(wish: int) -> PCA:
        return PCA(min(wish, features, max(1, slices // 3)), random_state=seed, svd_solver="randomized")

    if name == FOREST:
        return RandomForestClassifier(
            config.forest.trees,
            min_samples_leaf=config.forest.min_samples_leaf,
            max_samples=config.forest.sample_share,
            class_weight="balanced_subsample",
            random_state=seed,
        )
    if name == SVM:
        classifier = SVC(C=config.svm.penalty, class_weight="balanced", random_state=seed)
        return make_pipeline(StandardScaler(), components(config.svm.components), StandardScaler(), classifier)
    perceptron = MLPClassifier(
        config.mlp.hidden,
        alpha=config.mlp.weight_decay,
        max_iter=config.mlp.epochs,
        batch_size=max(1, min(64, slices // 4)),  # also in the smallest calibration fold
        n_iter_no_change=config.mlp.epochs,
        random_state=seed,
    )
    return make_pipeline(StandardScaler(), components(config.mlp.components), StandardScaler(), perceptron)


def _fit_boosting(
    matrix: NDArray[np.float32], marked: NDArray[np.bool_], splits: Splits, config: SelectionConfig, seed: int
) -> BoostedMember:
    """Trees on all slices, and a sigmoid of the margins that trees of the other folds give."""
    margins = np.zeros(len(marked))
    for train, held_out in splits:
        trees = _trees(matrix[train], marked[train], config, seed)
        margins[held_out] = trees.inplace_predict(matrix[held_out], predict_type="margin")
    sigmoid = LogisticRegression(C=1e3).fit(margins[:, None], marked)
    return BoostedMember(_trees(matrix, marked, config, seed), float(sigmoid.coef_[0, 0]), float(sigmoid.intercept_[0]))


def _trees(matrix: NDArray[np.float32], marked: NDArray[np.bool_], config: SelectionConfig, seed: int) -> Any:
    import xgboost

    options = {
        "objective": "binary:logistic",
        "max_depth": config.xgboost.depth,
        "eta": config.xgboost.learning_rate,
        "colsample_bynode": config.xgboost.feature_share,
        "tree_method": "hist",
        "max_bin": 64,
        "nthread": 1,  # the same trees on any number of threads
        "seed": seed,
        "verbosity": 0,
    }
    return xgboost.train(options, xgboost.DMatrix(matrix, marked), config.xgboost.trees)
