"""All points of a study: slices are selected, points found on them, axial slices selected near each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from bench.approach import Context
from bench.data.keypoints import Keypoints, Note
from bench.data.levels import level_positions
from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, TARGETS, indices

from .frame_reader import FrameRequest, request
from .frames import Frames
from .keypoint_config import KeypointConfig
from .keypoint_stage import KeypointStatistics
from .localise import find_points
from .locator import Locator
from .views import AXIAL_VIEWS, SAGITTAL_VIEWS, VIEWS, Slot

CLOSE_MM = 12.0  # neighbouring discs lie about 30 mm apart
_PARTS = {SAGITTAL_T2: "canal", SAGITTAL_T1: "foramina", AXIAL_T2: "recesses"}


class SliceChoice(Protocol):
    """A selected slice."""

    @property
    def series_id(self) -> int:
        """Its series."""

    @property
    def index(self) -> int:
        """Its place in anatomical order."""


class SliceSelector(Protocol):
    """Selects the slices that points are looked for on; a slot without any slice is absent."""

    def sagittal(self, studies: Sequence[Study], context: Context) -> Sequence[Mapping[Slot, SliceChoice]]:
        """Per study, the slices of canal and foramina."""

    def axial(
        self, studies: Sequence[Study], level_positions: np.ndarray, context: Context
    ) -> Sequence[Mapping[Slot, SliceChoice]]:
        """Per study, the axial slice of each level, given where the levels lie (N, 5, 3), mm, NaN where unknown."""


class Localiser:
    """Selects and locates.

    Args:
        selector: of slices.
        networks: the localisers; their mean is taken.
        statistics: of the training studies.
        config: of the localisers.
    """

    def __init__(
        self,
        selector: SliceSelector,
        networks: Sequence[Locator],
        statistics: KeypointStatistics,
        config: KeypointConfig,
    ) -> None:
        self.selector, self.networks, self.statistics, self.config = selector, networks, statistics, config

    def locate(
        self, studies: Sequence[Study], context: Context, note: Note, *, networks: Sequence[Locator] | None = None
    ) -> Keypoints:
        """The points of some studies; what is missing is noted. ``networks``: others than all."""
        keypoints = Keypoints.none(len(studies))
        chosen = self.networks if networks is None else networks
        for study in studies:
            self._note_missing(study, note)
        if not chosen or not studies:
            return keypoints
        frames = Frames(self.config.frames, self.statistics.axial, context.volumes)
        sagittal = self.selector.sagittal(studies, context)
        self._put(studies, sagittal, SAGITTAL_VIEWS, keypoints, chosen, frames, context)
        note_crowded(studies, keypoints, note)
        positions = level_positions(studies, keypoints)  # (N, 5, 3)
        for row, level in np.argwhere(np.isnan(positions).any(axis=2)):
            if studies[row].axial_t2:
                note(studies[row].study_id, f"no sagittal point of {LEVELS[level]}: axial slice chosen without it")
        axial = self.selector.axial(studies, positions, context)
        self._put(studies, axial, AXIAL_VIEWS, keypoints, chosen, frames, context)
        return keypoints

    def _put(
        self,
        studies: Sequence[Study],
        slices: Sequence[Mapping[Slot, SliceChoice]],
        views: Sequence[int],
        keypoints: Keypoints,
        networks: Sequence[Locator],
        frames: Frames,
        context: Context,
    ) -> None:
        """Find the points of some views and put them into ``keypoints``."""
        shown: list[tuple[int, FrameRequest, list[SliceChoice | None]]] = []
        for row, (study, choices) in enumerate(zip(studies, slices, strict=True)):
            for view in views:
                own = [choices.get(slot) for slot in VIEWS[view].slots]
                found = frame_slice(study, own)
                if found is not None:
                    series, index = found
                    shown.append((row, request(view, series, index, mirror=self.config.mirror), own))
        located = find_points(networks, [one for _, one, _ in shown], frames, self.config, context)
        for (row, asked, own), pixels in zip(shown, located, strict=True):
            for place, (target, pixel) in enumerate(zip(VIEWS[asked.view].targets, pixels, strict=True)):
                choice = own[min(place, len(own) - 1)]
                series_id = asked.series.series_id
                if self.statistics.trained[target] and choice is not None and choice.series_id == series_id:
                    keypoints.set(row, target, series_id, choice.index, pixel)

    def _note_missing(self, study: Study, note: Note) -> None:
        for kind, part in _PARTS.items():
            if not study.of(kind):
                note(study.study_id, f"no {kind}: {part} not located, graded by the class prior")
        names = [target.name for target, known in zip(TARGETS, self.statistics.trained, strict=True) if not known]
        if names:
            note(study.study_id, f"no training study has a point of {', '.join(names)}: not located, class prior")


def frame_slice(study: Study, choices: Sequence[SliceChoice | None]) -> tuple[Series, int] | None:
    """The slice that a view's localiser is shown: of the series with most choices, their median."""
    there = [choice for choice in choices if choice is not None]
    if not there:
        return None
    ids, counts = np.unique([choice.series_id for choice in there], return_counts=True)
    most = int(ids[np.argmax(counts)])
    middle = np.median([choice.index for choice in there if choice.series_id == most])
    return study.get(most), int(middle)


def note_crowded(studies: Sequence[Study], keypoints: Keypoints, note: Note) -> None:
    """Note neighbouring levels located within 12 mm of each other: the localiser also places a level out of view."""
    world = keypoints.world(studies)
    for targets in (indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")):
        gaps = np.linalg.norm(np.diff(world[:, targets], axis=1), axis=2)  # (N, 4)
        for row, level in np.argwhere(gaps < CLOSE_MM):
            upper, lower = TARGETS[targets[level]].name, TARGETS[targets[level + 1]].name
            text = f"{upper} and {lower} located {gaps[row, level]:.0f} mm apart: one of them may be out of view"
            note(studies[row].study_id, text)
