"""From training studies to a fitted approach: stages, points for what annotators left out, then the last network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, read_keypoints
from bench.data.levels import level_positions
from bench.imaging.study import Study

from .config import MultitaskConfig
from .crop_reader import Errors, StudyCropReader
from .defects import crop_sources, miscropped, misread
from .files import KEYPOINTS, SELECTION, SUPERRES, Parts, make_parts
from .frames import Frames
from .grading_training import GradingTask, train_grading
from .keypoint_stage import lacking_rows, silent, train_keypoints
from .localiser import Localiser, frame_slice
from .locator import Locator
from .model import MultitaskNet
from .selection import Selector, train_selection
from .slice_errors import slice_errors
from .superres import TRAINED
from .superres_stage import make_upscaler, train_superres
from .views import AXIAL_VIEWS, VIEWS, MarkedView


def fit_parts(train: Cohort, context: Context, config: MultitaskConfig) -> tuple[Parts, MultitaskNet]:
    """Train everything on some studies with labels and points."""
    if config.superres.upscaler != TRAINED:
        make_upscaler(config.superres, None)  # weights that cannot be used are told before any training
    folders = {SELECTION: context.stage(SELECTION, config.selection, train, train_selection)}
    keypoints = config.keypoints if config.needs_errors else config.keypoints.model_copy(update={"splits": 0})
    folders[KEYPOINTS] = context.stage(KEYPOINTS, keypoints, train, train_keypoints)
    if config.superres.upscaler == TRAINED:
        folders[SUPERRES] = context.stage(SUPERRES, config.superres.network, train, train_superres)
    parts = make_parts(folders, config)
    task = grading_task(train, context, config, parts)
    one_loop = config.training == "one_loop"
    model = train_grading(
        task, context, keypoints=config.keypoints if one_loop else None, joint_gradient=config.joint_gradient
    )
    return parts, model


def grading_task(train: Cohort, context: Context, config: MultitaskConfig, parts: Parts) -> GradingTask:
    """What the last network is trained on."""
    defects = config.defects
    frames = Frames(config.keypoints.frames, parts.statistics.axial, context.volumes)
    points = read_keypoints(train, context.note)
    staged = config.training == "staged"
    if staged:
        points = complete(points, train, context, config, parts)
    unmarked = {} if staged else unmarked_views(points, train.studies, parts.selector, context)
    points = misread(train.studies, points, defects)
    points = miscropped(train.studies, points, defects, frames)
    errors = Errors(parts.statistics.errors_mm, slice_errors(parts.selector.slice_errors))
    reader = StudyCropReader(train.studies, config.classifier, context, errors=errors, sources=crop_sources(defects))
    rows, validation = _held_out(train, context, config)
    return GradingTask(
        train.studies, points, train.grades, rows, validation, reader, parts.upscaler, frames, defects, unmarked
    )


def complete(points: Keypoints, train: Cohort, context: Context, config: MultitaskConfig, parts: Parts) -> Keypoints:
    """The annotators' points, and located ones where they marked none although there is a series to mark on.

    A study is located by the localiser of the inner split that left it out, or by all where none did: its missing
    points were not among what these learnt either.
    """
    lacking = lacking_rows(points, train.studies)
    split_of = {study_id: split for split, ids in enumerate(parts.statistics.held_out) for study_id in ids}
    groups: dict[int | None, list[int]] = {}
    for row in lacking:
        split = split_of.get(train.studies[row].study_id)
        known = split is not None and split < len(parts.locators)
        groups.setdefault(split if known else None, []).append(int(row))
    localiser = Localiser(parts.selector, parts.locators, parts.statistics, config.keypoints)
    found = Keypoints.none(len(train))
    for split, rows in groups.items():
        networks: Sequence[Locator] | None = None if split is None else [parts.locators[split]]
        located = localiser.locate([train.studies[row] for row in rows], context, silent, networks=networks)
        for place, row in enumerate(rows):
            found.series[row], found.slices[row] = located.series[place], located.slices[place]
            found.pixels[row] = located.pixels[place]
    return points.completed_by(found)


def unmarked_views(
    points: Keypoints, studies: Sequence[Study], selector: Selector, context: Context
) -> dict[int, list[MarkedView]]:
    """By row, the images without any point, on selected slices: in one loop their points are found as it learns."""
    rows = [int(row) for row in lacking_rows(points, studies)]
    some = [studies[row] for row in rows]
    here = Keypoints(points.series[rows], points.slices[rows], points.pixels[rows])
    axial = selector.axial(some, level_positions(some, here), context)
    found: dict[int, list[MarkedView]] = {}
    for row, study, *choices in zip(rows, some, selector.sagittal(some, context), axial, strict=True):
        for index, view in enumerate(VIEWS):
            shown = frame_slice(study, [choices[index in AXIAL_VIEWS].get(slot) for slot in view.slots])
            if shown is not None and not points.known[row, list(view.targets)].any():
                series, middle = shown
                nothing = np.full((len(view.targets), 2), np.nan)
                found.setdefault(row, []).append(MarkedView(index, series, np.array([middle]), nothing))
    return found


def _held_out(train: Cohort, context: Context, config: MultitaskConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on, and to validate on: none unless the classifier asks for it."""
    everyone = np.arange(len(train))
    folds = config.classifier.validation_folds
    if folds is None or len(train) < 2:
        return everyone, everyone[:0]
    _, left_out = context.inner_folds(train, min(folds, len(train)))[0]
    held = np.isin(train.study_ids, left_out.study_ids)
    return np.flatnonzero(~held), np.flatnonzero(held)
