"""Stage 1 as a whole: its networks, how they are trained, how they err, and what they locate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, Note, read_keypoints
from bench.errors import BenchError
from bench.files.atomic import read_json, write_json
from bench.imaging.study import Study
from bench.targets import TARGETS
from bench.training.checkpoints import load_model, save_model
from bench.training.precision import settle
from bench.training.windows import main_series

from . import point_stage, slice_errors, slice_stage
from .axial_slices import axial_slices, note_crowded
from .config import Location
from .joint_slices import comparable, slices_together, usual_breadths
from .outlier_check import outvote, usual_offsets
from .pointnet import build as build_points

SCHEMA_VERSION = 4
# Which networks are for what, beside those for canal or foramina alone.
SAGITTAL, RECESSES = "sagittal", "recesses"
# A network is known by split, purpose (canal, foramina, sagittal, recesses), kind (depth, points) and number.
Key = tuple[int, str, str, int]


class Locator:
    """The networks of stage 1.

    Attributes:
        config: what they are.
        networks: every trained network by key; one that had nothing to learn from is absent.
        shifts: by what stage 1 misses the marked slice, see `slice_errors.frequencies`.
        offsets: how canal and foramina of a level usually lie, see `outlier_check.usual_offsets`.
        breadths: how far apart they usually lie, see `joint_slices.usual_breadths`.
        taught: (25,) which targets' points the training studies have at all; no other is located.
    """

    def __init__(self, config: Location) -> None:
        self.config = config
        self.tasks = {task.name: task for task in slice_stage.tasks(config.mirror)}
        self.networks: dict[Key, nn.Module] = {}
        self.shifts: dict[str, list[float]] = {}
        self.offsets = np.full((5, 3, 2), np.nan)
        self.breadths = np.full((5, 2, 2), np.nan)
        self.taught = np.zeros(len(TARGETS), dtype=np.bool_)

    def fit(self, train: Cohort, context: Context) -> None:
        """Train every network on each split's training part, and see on its hold-out by how many slices they err.

        Offsets and breadths are medians over all training studies, hold-outs included.
        """
        misses: dict[str, list[int]] = {}
        marks = read_keypoints(train, silent)
        self.offsets, self.breadths = usual_offsets(train.studies, marks), usual_breadths(train.studies, marks)
        self.taught = _taught(marks, mirror=self.config.mirror)
        for split, (inner, hold_out) in enumerate(splits(self.config, train, context)):
            self._fit_split(split, inner, context)
            found = self.locate(hold_out.studies, context, silent, only=split)
            true = read_keypoints(hold_out, silent)
            for kind, values in slice_errors.misses(true, found).items():
                misses.setdefault(kind, []).extend(values)
        self.shifts = {kind: slice_errors.frequencies(misses.get(kind, ())) for kind in slice_errors.KINDS}

    def _fit_split(self, split: int, train: Cohort, context: Context) -> None:
        marks = read_keypoints(train, silent)
        for key in self.keys(split):
            _, part, kind, number = key
            stage = name(key)
            if kind == "depth":
                model = slice_stage.train_depth(
                    train.studies, marks, self.tasks[part], self.config.all_depth[number], context, stage
                )
            elif part == RECESSES:
                slides = point_stage.axial_slides(train.studies, marks)
                config = self.config.all_axial[number]
                model = point_stage.train_points(
                    slides, config, context, stage, points=2, axial=True, flip=self.config.mirror
                )
            else:
                heads = self._heads(part)
                slides = [
                    slide
                    for task, firsts in heads.items()
                    for slide in point_stage.sagittal_slides(train.studies, marks, self.tasks[task], firsts)
                ]
                config, count = self.config.all_sagittal[number], _count(heads)
                model = point_stage.train_points(slides, config, context, stage, points=count, axial=False, flip=False)
            if model is not None:
                self.networks[key] = model

    def _heads(self, part: str) -> dict[str, list[int]]:
        """The tasks of a network of stage 1b, and where among its points those of each of their sides begin."""
        heads: dict[str, list[int]] = {}
        start = 0
        for task in self.tasks if part == SAGITTAL else (part,):
            count = len(point_stage.sides(self.tasks[task]))
            heads[task] = [start if self.config.mirror else start + 5 * side for side in range(count)]
            start = max(heads[task]) + 5
        return heads

    def keys(self, split: int) -> Iterator[Key]:
        """The networks of one split."""
        for part in self.tasks:
            for number in range(len(self.config.all_depth)):
                yield split, part, "depth", number
        for part in (SAGITTAL,) if self.config.joint else self.tasks:
            for number in range(len(self.config.all_sagittal)):
                yield split, part, "points", number
        for number in range(len(self.config.all_axial)):
            yield split, RECESSES, "points", number

    def ensemble(self, part: str, kind: str, only: int | None = None) -> list[tuple[Any, nn.Module]]:
        """The networks for one thing with their configurations: of all splits, or of one."""
        config = self.config
        sheets = config.all_depth if kind == "depth" else config.all_axial if part == RECESSES else config.all_sagittal
        return [
            (sheets[key[3]], model)
            for key, model in self.networks.items()
            if key[1:3] == (part, kind) and only in (None, key[0])
        ]

    def locate(self, studies: Sequence[Study], context: Context, note: Note, *, only: int | None = None) -> Keypoints:
        """All points of some studies that can be located; what is missing or assumed is noted."""
        marks = Keypoints.none(len(studies))
        found = self._find_slices(studies, context, note, only)
        for part in self.tasks:
            self._locate_sagittal(part, found, studies, marks, context, note, only)
        if self.config.agreement is not None:
            for row, target in outvote(studies, marks, self.offsets, self.config.agreement):
                note(studies[row].study_id, f"{TARGETS[target].name} moved to where the level's other points put it")
        note_crowded(studies, marks, note)
        self._locate_axial(studies, marks, context, note, only)
        return marks

    def _find_slices(
        self, studies: Sequence[Study], context: Context, note: Note, only: int | None
    ) -> NDArray[np.float64]:
        """(N, 25) the slices of canal and foramina; NaN where the series is missing or no network tells."""
        parts = [(task, self.ensemble(part, "depth", only)) for part, task in self.tasks.items()]
        if not self.config.together:
            each = [slice_stage.find_slices(networks, studies, task, context) for task, networks in parts]
            return np.where(np.isnan(each[0]), each[1], each[0])
        chances = [slice_stage.find_chances(networks, studies, task, context) for task, networks in parts]
        found = np.full((len(studies), 25), np.nan)
        for row, study in enumerate(studies):
            canal, foramina = (main_series(study, task.description) for task, _ in parts)
            if canal is not None and foramina is not None and not comparable(canal, foramina):
                note(study.study_id, "slices far from sagittal: the canal and the foramina are found each on its own")
            found[row] = slices_together(chances[0][row] | chances[1][row], canal, foramina, self.breadths)
        return found

    def _locate_sagittal(
        self,
        part: str,
        found: NDArray[np.float64],
        studies: Sequence[Study],
        marks: Keypoints,
        context: Context,
        note: Note,
        only: int | None,
    ) -> None:
        finder = SAGITTAL if self.config.joint else part
        task, networks, heads = self.tasks[part], self.ensemble(finder, "points", only), self._heads(finder)[part]
        untaught = self._untaught([target for view in task.views for target in view.targets])
        views = []  # row, side, series, the slice to look at, the first head
        for row, study in enumerate(studies):
            series = main_series(study, task.description)
            if series is None:
                note(study.study_id, f"no {task.description}: {part} not located, its bags are blank")
                continue
            if len(study.of(task.description)) > 1:
                note(study.study_id, f"several {task.description}: {part} looked for in the one with most slices")
            if untaught:
                note(study.study_id, untaught)
            for head, side in zip(heads, point_stage.sides(task), strict=True):
                targets = list(side.targets)
                slices = found[row, targets]
                if np.isnan(slices).any():
                    note(study.study_id, f"{part}: no network tells the slice, taken where it usually lies")
                    slices[:] = _usual_slice(targets[0], len(series))
                found[row, targets] = slices = np.clip(np.round(slices), 0, len(series) - 1)
                views.append((row, side, series, int(np.median(slices)), head))
        if not networks or not views:
            return
        pixels = point_stage.find_points(
            networks,
            [view[2] for view in views],
            [view[3] for view in views],
            context,
            axial=False,
            reverse=[view[1].reverse for view in views],
        )
        for (row, side, series, _, head), found_pixels in zip(views, pixels, strict=True):
            for level, target in enumerate(side.targets):
                if self.taught[target]:
                    marks.set(row, target, series.series_id, int(found[row, target]), found_pixels[head + level])

    def _untaught(self, targets: Sequence[int]) -> str:
        """What to note of targets that cannot be located, or nothing."""
        names = [TARGETS[target].name for target in targets if not self.taught[target]]
        if not names:
            return ""
        return f"no training study has a point of {', '.join(names)}: not located, bags blank"

    def _locate_axial(
        self, studies: Sequence[Study], marks: Keypoints, context: Context, note: Note, only: int | None
    ) -> None:
        networks = self.ensemble(RECESSES, "points", only)
        untaught = self._untaught([*point_stage.LEFT_RECESSES, *point_stage.RIGHT_RECESSES])
        places = []  # row, level, series, slice
        for row, chosen in enumerate(axial_slices(studies, marks, note)):
            if untaught and studies[row].axial_t2:
                note(studies[row].study_id, untaught)
            places += [(row, level, *place) for level, place in enumerate(chosen) if place is not None]
        if not networks or not places:
            return
        pixels = point_stage.find_points(
            networks, [place[2] for place in places], [place[3] for place in places], context, axial=True
        )
        for (row, level, series, index), pair in zip(places, pixels, strict=True):
            for target, pixel in zip((15 + level, 20 + level), pair, strict=True):
                if self.taught[target]:
                    marks.set(row, target, series.series_id, index, pixel)

    def save(self, folder: Path) -> None:
        """Write all networks, the frequencies, offsets and breadths."""
        for key, model in self.networks.items():
            save_model(folder / f"{name(key)}.safetensors", model)
        document = {
            "schema_version": SCHEMA_VERSION,
            "networks": [list(key) for key in self.networks],
            "shifts": self.shifts,
            "offsets_mm": _without_nan(self.offsets),
            "breadths_mm": _without_nan(self.breadths),
            "taught": [TARGETS[target].name for target in np.flatnonzero(self.taught)],
        }
        write_json(folder / "location.json", document)

    @classmethod
    def load(cls, folder: Path, config: Location, device: str = "cpu") -> Locator:
        """What `save` wrote."""
        document = read_json(folder / "location.json")
        if document is None:
            raise BenchError(f"{folder} holds no trained stage 1 (location.json is missing). Train it anew.")
        if document.get("schema_version") != SCHEMA_VERSION:
            raise BenchError(f"{folder} holds a stage 1 of another version of this approach. Train it anew.")
        locator = cls(config)
        locator.shifts = document["shifts"]
        locator.offsets = np.array(document["offsets_mm"], dtype=np.float64)
        locator.breadths = np.array(document["breadths_mm"], dtype=np.float64)
        locator.taught = np.array([target.name in document["taught"] for target in TARGETS])
        for split, part, kind, number in document["networks"]:
            key = (split, part, kind, number)
            model = settle(locator._untrained(key), device).eval()
            load_model(folder / f"{name(key)}.safetensors", model)
            locator.networks[key] = model
        return locator

    def _untrained(self, key: Key) -> nn.Module:
        _, part, kind, number = key
        if kind == "depth":
            return slice_stage.build(self.config.all_depth[number], self.tasks[part])
        axial = part == RECESSES
        config = (self.config.all_axial if axial else self.config.all_sagittal)[number].model_copy(
            update={"pretrained": False}
        )
        channels = 1 if axial else 2 * point_stage.SAGITTAL_NEIGHBOURS + 1
        return build_points(config, channels=channels, points=2 if axial else _count(self._heads(part)))


def splits(config: Location, train: Cohort, context: Context) -> list[tuple[Cohort, Cohort]]:
    """(Training, hold-out) parts; with a single study, it is trained on and nothing is held out."""
    folds = min(config.inner_folds, len(train))
    if folds < 2:
        return [(train, train.subset([]))]
    return list(context.inner_folds(train, folds))[: config.splits]


def name(key: Key) -> str:
    """How a network's stage and file are called, such as ``split0-canal-depth0``."""
    split, part, kind, number = key
    return f"split{split}-{part}-{kind}{number}"


def _count(heads: dict[str, list[int]]) -> int:
    return max(first for firsts in heads.values() for first in firsts) + 5


def _taught(marks: Keypoints, *, mirror: bool) -> NDArray[np.bool_]:
    """(25,) which targets have a point in any study. Mirrored, foramina of one side teach those of the other.

    The network for the recesses sees both sides of a level, and every level alike.
    """
    known: NDArray[np.bool_] = np.asarray(marks.known.any(axis=0))
    if mirror:
        known[5:10] = known[10:15] = known[5:10] | known[10:15]
    left, right = known[15:20].any(), known[20:25].any()
    known[15:20], known[20:25] = (left or right, left or right) if mirror else (left, right)
    return known


def _without_nan(values: NDArray[np.float64]) -> list[Any]:
    """As nested lists for JSON, null for NaN."""
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()


def silent(study_id: int, text: str) -> None:
    """A note that is not kept: training tells of the same study once already."""


def _usual_slice(target: int, count: int) -> float:
    """Where a canal or foramen usually lies in a series from right to left, by the write-up."""
    share = 1 / 2 if target < 5 else 2 / 3 if target < 10 else 1 / 3
    return min(count - 1, int(count * share))
