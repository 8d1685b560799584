"""From annotators' points to marked slices: what the ensembles learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.data.levels import level_positions
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, LEVELS, indices

from .candidates import Matrix, axial_candidates, axial_matrix, lateral_mm, sagittal_matrix
from .config import SelectionConfig
from .features import FeatureTable
from .slots import AXIAL, CANAL, FORAMEN, KINDS, PARTS, part_targets


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """The slices of one group.

    Attributes:
        matrix: (n, D) what classifiers see.
        marked: (n,) whether an annotator put a point of the group there.
        groups: (n,) row of the study.
    """

    matrix: Matrix
    marked: NDArray[np.bool_]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, matrices: Sequence[Matrix], marked: Sequence[NDArray[np.bool_]], rows: Sequence[int]) -> Marked:
        """Those of several stacks, one after the other."""
        if not matrices:
            return cls(np.zeros((0, 1), np.float32), np.zeros(0, bool), np.zeros(0, np.int64))
        groups = np.repeat(np.array(rows, dtype=np.int64), [len(one) for one in matrices])
        return cls(np.concatenate(matrices), np.concatenate(marked), groups)


def marked_slices(
    studies: Sequence[Study], keypoints: Keypoints, table: FeatureTable, config: SelectionConfig, context: Context
) -> dict[str, Marked]:
    """By group. Only stacks with a marked slice are learnt from: without one, nobody looked."""
    found: dict[str, tuple[list[Matrix], list[NDArray[np.bool_]], list[int]]] = {
        group: ([], [], []) for group in (CANAL, FORAMEN, AXIAL)
    }
    random = np.random.default_rng(context.seed("selection positions"))
    positions = level_positions(studies, keypoints)
    for row, study in enumerate(studies):
        features = table.of(study)
        for group, side in PARTS:
            targets = list(part_targets(group, side))
            for series in study.of(KINDS[group]):
                here = keypoints.slices[row, targets][keypoints.series[row, targets] == series.series_id]
                if len(here):
                    marked = np.isin(np.arange(len(series)), here)
                    _add(found[group], sagittal_matrix(series, features, side), marked, row)
        for level in range(len(LEVELS)):
            noise = float(random.normal(0, config.position_noise_mm))  # drawn for every level: the same for the rest
            marks = _axial_marks(keypoints, row, level)
            if np.isnan(positions[row, level]).any() or not marks:
                continue
            candidates = axial_candidates(study, positions[row, level], config.reach_mm)
            marked = np.array([(one.series.series_id, one.slice_index) in marks for one in candidates], dtype=bool)
            if marked.any():
                matrix = axial_matrix(study, candidates, positions[row, level], level, features, noise)
                _add(found[AXIAL], matrix, marked, row)
    return {group: Marked.of(*parts) for group, parts in found.items()}


def marked_places(studies: Sequence[Study], keypoints: Keypoints) -> NDArray[np.float64]:
    """(N, 3) mm from right to left of the median marked slice of canal, right and left foramen; NaN without one."""
    places = np.full((len(studies), len(PARTS)), np.nan)
    for row, study in enumerate(studies):
        for number, (group, side) in enumerate(PARTS):
            targets = [target for target in part_targets(group, side) if keypoints.known[row, target]]
            values = [
                lateral_mm(study.get(int(keypoints.series[row, target])))[keypoints.slices[row, target]]
                for target in targets
            ]
            if values:
                places[row, number] = np.median(values)
    return places


def usual_shares(studies: Sequence[Study], keypoints: Keypoints) -> dict[str, NDArray[np.float64]]:
    """Where in its stack a marked slice usually lies, 0 to 1: by sagittal part, and (5,) by level for ``axial``.

    NaN where none is marked. Axial slices count over all axial series, from head to foot.
    """
    shares: dict[str, NDArray[np.float64]] = {}
    for group, side in PARTS:
        targets = part_targets(group, side)
        values = [
            keypoints.slices[row, target] / max(len(study.get(int(keypoints.series[row, target]))) - 1, 1)
            for row, study in enumerate(studies)
            for target in targets
            if keypoints.known[row, target]
        ]
        shares[part_name(group, side)] = np.array(np.median(values) if values else np.nan)
    axial: list[list[float]] = [[] for _ in LEVELS]
    for row, study in enumerate(studies):
        order = axial_order(study)
        for level in range(len(LEVELS)):
            axial[level] += [
                order.index(mark) / max(len(order) - 1, 1)
                for mark in _axial_marks(keypoints, row, level)
                if mark in order
            ]
    shares[AXIAL] = np.array([np.median(values) if values else np.nan for values in axial])
    return shares


def axial_order(study: Study) -> list[tuple[int, int]]:
    """(series id, index) of every axial slice from head to foot, over all axial series."""
    heights = [
        (-float(position[2]), series.series_id, index)
        for series in study.of(AXIAL_T2)
        for index, position in enumerate(series.positions)
    ]
    return [(series_id, index) for _, series_id, index in sorted(heights)]


def part_name(group: str, side: str | None) -> str:
    """How a sagittal part is called in files and tables, such as ``right foramen``."""
    return group if side is None else f"{side} {group}"


def _axial_marks(keypoints: Keypoints, row: int, level: int) -> set[tuple[int, int]]:
    """(series id, index) of the slices on which a level's recesses are marked."""
    targets = (indices("subarticular", "left")[level], indices("subarticular", "right")[level])
    return {
        (int(keypoints.series[row, target]), int(keypoints.slices[row, target]))
        for target in targets
        if keypoints.known[row, target]
    }


def _add(
    parts: tuple[list[Matrix], list[NDArray[np.bool_]], list[int]],
    matrix: Matrix,
    marked: NDArray[np.bool_],
    row: int,
) -> None:
    matrices, marks, rows = parts
    matrices.append(matrix)
    marks.append(marked)
    rows.append(row)
