"""By how many slices selection errs on studies that it was not trained on, as the classifier's training imitates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, read_keypoints
from bench.data.levels import level_positions
from bench.errors import BenchError
from bench.files.atomic import read_json, write_json
from bench.imaging.study import Study
from bench.targets import SERIES_DESCRIPTIONS

from .localiser import SliceChoice, SliceSelector
from .selection import SelectionConfig, Selector, train_selection
from .views import VIEWS, Slot

SCHEMA_VERSION = 1
SliceErrors = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
"""By series description, offsets in slices and how often each occurs; without any held-out slice absent."""

FARTHEST = 2  # slices; an error beyond it counts as it: no crop is moved so far in training
_FOLDS = 5
_FILE = "slice_errors.json"


def measure_slice_errors(train_studies: Cohort, context: Context, config: SelectionConfig) -> None:
    """Train selection without one inner fold, and measure it there: what `Context.stage` builds.

    Axial slices are selected at the levels that annotators marked on sagittal images. A single study is not split, and
    then nothing is measured.
    """
    offsets: dict[str, list[int]] = {kind: [] for kind in SERIES_DESCRIPTIONS}
    if len(train_studies) > 1:
        inner, left_out = context.inner_folds(train_studies, min(_FOLDS, len(train_studies)))[0]
        train_selection(inner, context, config)
        selector = Selector.load(context.folder, config)
        offsets = slice_offsets(selector, left_out.studies, read_keypoints(left_out, lambda *_: None), context)
    write_json(context.folder / _FILE, {"schema_version": SCHEMA_VERSION, "offsets": offsets})


def slice_offsets(
    selector: SliceSelector, studies: Sequence[Study], keypoints: Keypoints, context: Context
) -> dict[str, list[int]]:
    """By series description, selected minus marked slice of every target where both are on one series."""
    sagittal = selector.sagittal(studies, context)
    axial = selector.axial(studies, level_positions(studies, keypoints), context)
    offsets: dict[str, list[int]] = {kind: [] for kind in SERIES_DESCRIPTIONS}
    for row, choices in enumerate(zip(sagittal, axial, strict=True)):
        chosen: Mapping[Slot, SliceChoice] = {**choices[0], **choices[1]}
        for view in VIEWS:
            for place, target in enumerate(view.targets):
                choice = chosen.get(view.slots[min(place, len(view.slots) - 1)])
                if choice is not None and keypoints.series[row, target] == choice.series_id:
                    offsets[view.kind].append(int(choice.index - keypoints.slices[row, target]))
    return offsets


def load_slice_errors(folder: Path) -> SliceErrors:
    """What `measure_slice_errors` wrote, as frequencies.

    Raises:
        BenchError: the folder holds no such stage, or one of another version.
    """
    document = read_json(folder / _FILE)
    if document is None or document.get("schema_version") != SCHEMA_VERSION:
        raise BenchError(f"{folder} holds no slice errors of schema version {SCHEMA_VERSION}. Measure them anew.")
    return {kind: frequencies(found) for kind, found in document["offsets"].items() if found}


def frequencies(offsets: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The offsets -2 to 2, and the share of each."""
    values = np.arange(-FARTHEST, FARTHEST + 1)
    counts = np.bincount(np.clip(offsets, -FARTHEST, FARTHEST) + FARTHEST, minlength=len(values))
    return values, counts / counts.sum()
