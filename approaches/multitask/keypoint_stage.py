"""Training the localiser on inner splits of the training studies, and measuring its errors on what each leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, read_keypoints
from bench.errors import BenchError
from bench.files.atomic import read_json, write_json
from bench.imaging.study import Study
from bench.targets import SERIES_DESCRIPTIONS, TARGETS
from bench.training.checkpoints import forget_training, load_model, save_model
from bench.training.loop import BeforeEpoch, train
from bench.training.windows import Extent, axis_signs

from .frame_reader import FrameRequest, request
from .frames import Frames, axial_extent
from .keypoint_config import Curriculum, KeypointConfig
from .keypoint_data import KeypointBatch, KeypointBatches, shown_slices
from .localise import find_points
from .locator import Locator
from .views import VIEWS, marked_views, trained_targets

SCHEMA_VERSION = 1
_LARGEST_MM = 15.0  # an error beyond this is another level: no crop is moved so far in training


@dataclass(frozen=True, slots=True, eq=False)
class KeypointStatistics:
    """What the stage knows beside its networks.

    Attributes:
        axial: the region of axial slices that is shown.
        trained: (25,) targets that can be located.
        errors_mm: by kind (n, 2) how far points were located from the annotators' on held-out studies, along the
            image's x and y as it is shown. Without any held-out point none.
        held_out: ids of the studies that each split left out.
    """

    axial: Extent
    trained: NDArray[np.bool_]
    errors_mm: Mapping[str, NDArray[np.float64]]
    held_out: Sequence[Sequence[int]] = field(default_factory=list)


def train_keypoints(train_studies: Cohort, context: Context, config: KeypointConfig) -> None:
    """Train the localisers and write them to the context's folder: what `Context.stage` builds."""
    known = read_keypoints(train_studies, silent)
    axial = axial_extent(train_studies.studies, known, config.frames.axial_margin)
    frames = Frames(config.frames, axial, context.volumes)
    errors: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in SERIES_DESCRIPTIONS}
    held_out = []
    for split, (inner, left_out) in enumerate(splits(config, train_studies, context)):
        model = _saved_locator(inner, frames, config, context, split)
        if model is not None:
            measured = measure_errors(model, left_out, frames, config, context)
            errors = {kind: [*errors[kind], *measured.get(kind, [])] for kind in errors}
        held_out.append([int(study_id) for study_id in left_out.study_ids])
    document = {
        "schema_version": SCHEMA_VERSION,
        "axial_extent": list(axial),
        "trained_targets": [TARGETS[target].name for target in np.flatnonzero(trained_targets(known))],
        "errors_mm": {kind: np.concatenate(found).tolist() if found else [] for kind, found in errors.items()},
        "held_out": held_out,
    }
    write_json(context.folder / "keypoints.json", document)


def _saved_locator(
    studies: Cohort, frames: Frames, config: KeypointConfig, context: Context, split: int
) -> Locator | None:
    """The localiser of a split, saved in the context's folder: by a killed attempt, or now."""
    path, stage = context.folder / f"locator{split}.safetensors", f"keypoints{split}"
    if path.is_file():
        model = untrained(config).eval()
        load_model(path, model)
        return model
    trained = train_locator(studies, frames, config, context, stage)
    if trained is not None:
        save_model(path, trained)
        forget_training(context.resume, stage)
    return trained


def train_locator(
    studies: Cohort, frames: Frames, config: KeypointConfig, context: Context, stage: str
) -> Locator | None:
    """One trained localiser in main memory, or None where no study has a point."""
    torch.manual_seed(context.seed(f"{stage} weights"))
    known = read_keypoints(studies, silent)
    batches = KeypointBatches(studies.studies, known, frames, config, context, context.seed(f"{stage} data"))
    if not len(batches.all_rows):
        return None
    model = Locator(config.network)
    before = None if config.curriculum is None else curriculum(batches, model, config.curriculum, "loss")
    trained = train(model, batches, _loss, config.schedule, context, stage=stage, before_epoch=before)
    assert isinstance(trained, Locator)
    return trained.cpu()


def curriculum(batches: KeypointBatches, model: Locator, config: Curriculum, loss: str) -> BeforeEpoch:
    """Chooses the studies of each epoch by the losses (entry ``loss``) of those before, and freezes heads in the end.

    Without a completely annotated study all are trained on from the start.
    """
    start = batches.complete_rows if len(batches.complete_rows) else batches.all_rows
    batches.epochs.rows = start

    def before(epoch: int, past: Sequence[Mapping[str, float]]) -> None:
        lowest = min((values[loss] for values in past), default=float("inf"))
        batches.epochs.rows = batches.all_rows if lowest < config.all_below else start
        if config.freeze_below is not None and lowest < config.freeze_below:
            model.heads.requires_grad_(False)

    return before


def _loss(model: nn.Module, batch: KeypointBatch) -> dict[str, Tensor]:
    assert isinstance(model, Locator)
    return model.loss(batch.images, batch.points)[0]


def measure_errors(
    model: Locator, studies: Cohort, frames: Frames, config: KeypointConfig, context: Context
) -> dict[str, list[NDArray[np.float64]]]:
    """By kind, arrays (n, 2) of located minus annotated points in mm, on slices chosen as in training."""
    known = read_keypoints(studies, silent)
    marked = [one for row, study in enumerate(studies.studies) for one in marked_views(study, known, row)]
    random = np.random.default_rng(context.seed("keypoint errors"))
    slices = shown_slices(marked, config.augmentation.slice_shift, random)
    requests = [
        request(one.view, one.series, index, mirror=config.mirror) for one, index in zip(marked, slices, strict=True)
    ]
    found = find_points([model], requests, frames, config, context)
    errors: dict[str, list[NDArray[np.float64]]] = {}
    for one, asked, pixels in zip(marked, requests, found, strict=True):
        errors.setdefault(VIEWS[one.view].kind, []).append(_in_mm(asked, pixels - one.pixels))
    return errors


def _in_mm(asked: FrameRequest, difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences (P, 2) of source pixels as mm along the axes that are shown; unknown and very large ones left out."""
    series, index = asked.series, asked.slice_index
    mm = difference * series.spacings[index] * axis_signs(series, index)
    usable = np.isfinite(mm).all(axis=1)
    usable[usable] = np.linalg.norm(mm[usable], axis=1) <= _LARGEST_MM
    return mm[usable]


def load_keypoints(folder: Path, config: KeypointConfig) -> tuple[list[Locator], KeypointStatistics]:
    """What `train_keypoints` wrote, in main memory.

    Raises:
        BenchError: the folder holds no such stage, or one of another version.
    """
    document = read_json(folder / "keypoints.json")
    if document is None or document.get("schema_version") != SCHEMA_VERSION:
        raise BenchError(f"{folder} holds no keypoint stage of schema version {SCHEMA_VERSION}. Train it anew.")
    locators = []
    for split in range(len(document["held_out"])):
        path = folder / f"locator{split}.safetensors"
        if path.is_file():
            model = untrained(config).eval()
            load_model(path, model)
            locators.append(model)
    left, right, top, bottom = document["axial_extent"]
    statistics = KeypointStatistics(
        axial=(left, right, top, bottom),
        trained=np.array([target.name in document["trained_targets"] for target in TARGETS]),
        errors_mm={kind: np.array(found).reshape(-1, 2) for kind, found in document["errors_mm"].items()},
        held_out=document["held_out"],
    )
    return locators, statistics


def untrained(config: KeypointConfig) -> Locator:
    """A localiser without any trained weights, to load some into."""
    return Locator(config.network.model_copy(update={"pretrained": False}))


def splits(config: KeypointConfig, studies: Cohort, context: Context) -> list[tuple[Cohort, Cohort]]:
    """(Training, hold-out) parts; a single study is trained on and nothing is held out."""
    folds = min(config.inner_folds, len(studies))
    if folds < 2:
        return [(studies, studies.subset([]))]
    return list(context.inner_folds(studies, folds))[: config.splits]


def silent(study_id: int, text: str) -> None:
    """A note that is not kept: what is noted in training was noted for the same study before."""


def lacking_rows(keypoints: Keypoints, studies: Sequence[Study]) -> NDArray[np.int64]:
    """Studies that lack a point although they have a series that it could be marked on."""
    rows = []
    for row, study in enumerate(studies):
        here = {series.description for series in study.series}
        possible = np.array([target.point_series in here for target in TARGETS])
        if (possible & ~keypoints.known[row]).any():
            rows.append(row)
    return np.array(rows, dtype=np.int64)
