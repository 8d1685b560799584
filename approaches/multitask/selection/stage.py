"""Training slice selection: what `Context.stage` builds."""

from __future__ import annotations

from dataclasses import replace

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints

from .accuracy import measure
from .config import SelectionConfig
from .ensemble import Ensemble
from .features import FeatureTable
from .joint import lateral_distances
from .selector import Selector
from .training_data import marked_places, marked_slices, usual_shares


def train_selection(train: Cohort, context: Context, config: SelectionConfig) -> None:
    """Train the ensembles on the slices that annotators marked, and write them to the context's folder.

    Before that, the same is trained without one inner fold, to see by how many slices it errs there.
    """
    errors: dict[str, dict[int, float]] = {}
    accuracy: dict[str, dict[str, dict[str, float]]] = {}
    folds = min(config.inner_folds, len(train))
    if folds > 1:
        inner, hold_out = context.inner_folds(train, folds)[0]
        trial = fit_selector(inner, context, config)
        errors, accuracy = measure(trial, hold_out.studies, read_keypoints(hold_out, _silent), context)
    selector = replace(fit_selector(train, context, config), slice_errors=errors, accuracy=accuracy)
    selector.save(context.folder)


def fit_selector(train: Cohort, context: Context, config: SelectionConfig) -> Selector:
    """A selector that learnt from these studies; how it errs is not measured."""
    keypoints = read_keypoints(train, _silent)
    table = FeatureTable(train.studies, context, config.features)
    slices = marked_slices(train.studies, keypoints, table, config, context)
    ensembles = {
        group: Ensemble.fit(one.matrix, one.marked, one.groups, config, context.seed(f"selection {group}"))
        for group, one in slices.items()
    }
    distances = lateral_distances(marked_places(train.studies, keypoints))
    return Selector(config, ensembles, distances, usual_shares(train.studies, keypoints))


def _silent(study_id: int, text: str) -> None:
    """A note that is not kept: the same is noted where the points are read to be learnt from."""
