"""Stage 1 as a whole: trained on inner splits of the training studies, it locates all 25 points of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, Note, read_keypoints
from bench.imaging.study import Study
from bench.targets import TARGETS
from bench.training.checkpoints import forget_training, save_model

from . import point_stage, slice_errors, slice_stage
from .axial_finder import AxialFinder, note_crowded
from .joint_slices import comparable, joint_slices
from .location_config import Location
from .location_files import load_location, network_file, save_location
from .location_networks import RECESSES, SLICES, LocationNetworks, NetworkKey
from .location_statistics import LocationStatistics
from .outlier_check import correct_outliers
from .point_finder import PointFinder
from .slice_finder import SliceFinder
from .structures import CANAL, FORAMINA


def train_location(train: Cohort, context: Context, config: Location) -> None:
    """Train stage 1 and write it to the context's folder: what `Context.stage` builds."""
    locator = Locator(LocationNetworks(config))
    locator.fit(train, context)
    locator.save(context.folder)


class Locator:
    """Stage 1: slices, points on them, then the recesses.

    Attributes:
        networks: all trained networks.
        statistics: of the training studies.
    """

    def __init__(
        self,
        networks: LocationNetworks,
        statistics: LocationStatistics | None = None,
    ) -> None:
        self.networks = networks
        self.config = networks.config
        self.statistics = statistics or LocationStatistics()

    def fit(self, train: Cohort, context: Context) -> None:
        """Train every network on each split's training part, and see on its hold-out by how many slices they err.

        Each network is saved in the context's folder as soon as it is trained, and its training checkpoint goes.

        The other statistics are those of all training studies, hold-outs included.
        """
        errors: dict[str, list[int]] = {}
        keypoints = read_keypoints(train, silent)
        self.statistics = LocationStatistics.of(train.studies, keypoints, mirror=self.config.mirror)
        for split, (inner, hold_out) in enumerate(splits(self.config, train, context)):
            known = read_keypoints(inner, silent)
            for key in self.networks.keys(split):
                path = self._train_once(key, inner.studies, known, context)
                if path is not None:
                    self.networks.trained[key] = self.networks.stored(key, path)
            located = self.locate(hold_out.studies, context, silent, split=split)
            true = read_keypoints(hold_out, silent)
            for kind, values in slice_errors.differences(true, located).items():
                errors.setdefault(kind, []).extend(values)
        frequencies = {kind: slice_errors.frequencies(errors.get(kind, ())) for kind in slice_errors.KINDS}
        self.statistics = replace(self.statistics, slice_errors=frequencies)

    def _train_once(
        self, key: NetworkKey, studies: Sequence[Study], keypoints: Keypoints, context: Context
    ) -> Path | None:
        """A trained network's file in the context's folder, written by a killed attempt or now; None without data."""
        path = network_file(context.folder, key)
        if path.is_file():
            return path
        trained = self._train_network(key, studies, keypoints, context)
        if trained is None:
            return None
        save_model(path, trained, half=self.config.half_weights)
        forget_training(context.resume, key.name)
        return path

    def _train_network(
        self, key: NetworkKey, studies: Sequence[Study], keypoints: Keypoints, context: Context
    ) -> nn.Module | None:
        if key.kind == SLICES:
            structure, depth = self.networks.structures[key.part], self.config.all_depth[key.number]
            return slice_stage.train_slices(studies, keypoints, structure, depth, context, key.name)
        config, points = self.networks.point_config(key), self.networks.points(key.part)
        if key.part == RECESSES:
            slices = point_stage.marked_axial_slices(studies, keypoints)
            return point_stage.train_points(
                slices, config, context, key.name, points=points, axial=True, flip=self.config.mirror
            )
        slices = [
            one
            for name, outputs in self.networks.first_outputs(key.part).items()
            for one in point_stage.marked_sagittal_slices(studies, keypoints, self.networks.structures[name], outputs)
        ]
        return point_stage.train_points(slices, config, context, key.name, points=points, axial=False, flip=False)

    def locate(self, studies: Sequence[Study], context: Context, note: Note, *, split: int | None = None) -> Keypoints:
        """All points of some studies that can be located; what is missing or assumed is noted.

        ``split``: by the networks of one split, else by all.
        """
        keypoints = Keypoints.none(len(studies))
        slices = self._find_slices(studies, context, note, split)
        for name, structure in self.networks.structures.items():
            part = self.networks.point_part(name)
            networks, outputs = self.networks.point_ensemble(part, split), self.networks.first_outputs(part)[name]
            finder = PointFinder(structure, networks, outputs, self.statistics.trained, context)
            finder.locate(studies, slices, keypoints, note)
        threshold = self.config.outlier_threshold_mm
        if threshold is not None:
            moved = correct_outliers(studies, keypoints, self.statistics.level_offsets, threshold)
            for row, target in moved:
                note(studies[row].study_id, f"{TARGETS[target].name} moved to where the level's other points put it")
        note_crowded(studies, keypoints, note)
        networks = self.networks.point_ensemble(RECESSES, split)
        AxialFinder(networks, self.statistics.trained, context).locate(studies, keypoints, note)
        return keypoints

    def _find_slices(
        self, studies: Sequence[Study], context: Context, note: Note, split: int | None
    ) -> NDArray[np.float64]:
        """(N, 25) the slices of canal and foramina; NaN where the series is missing or there is no network."""
        canal, foramina = (
            SliceFinder(self.networks.structures[name], self.networks.slice_ensemble(name, split), context)
            for name in (CANAL, FORAMINA)
        )
        if not self.config.joint_slices:
            slices = canal.slices(studies)
            return np.where(np.isnan(slices), foramina.slices(studies), slices)
        found = np.full((len(studies), len(TARGETS)), np.nan)
        probabilities = zip(canal.probabilities(studies), foramina.probabilities(studies), strict=True)
        for row, (study, (of_canal, of_foramina)) in enumerate(zip(studies, probabilities, strict=True)):
            t2, t1 = (study.main_series(one.structure.description) for one in (canal, foramina))
            if t2 is not None and t1 is not None and not comparable(t2, t1):
                note(study.study_id, "slices far from sagittal: the canal and the foramina are found independently")
            found[row] = joint_slices(of_canal | of_foramina, t2, t1, self.statistics.lateral_distances)
        return found

    def save(self, folder: Path) -> None:
        """Link to the networks and write the statistics."""
        save_location(folder, self.networks, self.statistics)

    @classmethod
    def load(cls, folder: Path, config: Location) -> Locator:
        """What `save` wrote."""
        return cls(*load_location(folder, config))


def splits(config: Location, train: Cohort, context: Context) -> list[tuple[Cohort, Cohort]]:
    """(Training, hold-out) parts; with a single study, it is trained on and nothing is held out."""
    folds = min(config.inner_folds, len(train))
    if folds < 2:
        return [(train, train.subset([]))]
    return list(context.inner_folds(train, folds))[: config.splits]


def silent(study_id: int, text: str) -> None:
    """A note that is not kept: what is noted while training was noted for the same study before."""
