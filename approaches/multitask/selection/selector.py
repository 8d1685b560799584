"""The trained selection: for each study the slices of canal and foramina, then those of each level's recesses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bench.approach import Context
from bench.errors import BenchError
from bench.files.atomic import read_json, write_json
from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, LEVELS

from .candidates import Matrix, axial_candidates, axial_matrix, lateral_mm, sagittal_matrix
from .config import SelectionConfig
from .ensemble import Ensemble
from .features import FeatureTable
from .joint import choose_jointly
from .persistence import load_ensemble, save_ensemble
from .slots import AXIAL, GROUPS, KINDS, PARTS, Choice, Slot, axial_slot, part_slots
from .training_data import axial_order, part_name

SCHEMA_VERSION = 1
FILE = "selection.json"
Grade = Callable[[str, Matrix], NDArray[np.float64]]
"""(group, (n, D) slices) to (n,) probabilities: the ensemble's, or those of one member alone."""


@dataclass(eq=False)
class Selector:
    """What selection learnt.

    Attributes:
        config: of selection.
        ensembles: by group; one without members leaves its group to the usual place.
        distances: (3, 2) from `lateral_distances`; None if unknown.
        shares: from `usual_shares`.
        slice_errors: by series description, how often the chosen slice lies so many slices from the marked one, on
            inner hold-outs: offset to frequency.
        accuracy: by group and member, as measured on inner hold-outs: shares exact, within one and two, and n.
    """

    config: SelectionConfig
    ensembles: dict[str, Ensemble]
    distances: NDArray[np.float64] | None
    shares: dict[str, NDArray[np.float64]]
    slice_errors: dict[str, dict[int, float]] = field(default_factory=dict)
    accuracy: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def sagittal(
        self, studies: Sequence[Study], context: Context, grade: Grade | None = None
    ) -> list[dict[Slot, Choice]]:
        """By study: the slices of canal and foramina, of the main series of each kind. All levels share a slice."""
        table = FeatureTable(studies, context, self.config.features)
        return [self._sagittal(study, table, grade or self.probability, context) for study in studies]

    def axial(
        self,
        studies: Sequence[Study],
        level_positions: NDArray[np.float64],
        context: Context,
        grade: Grade | None = None,
    ) -> list[dict[Slot, Choice]]:
        """By study: the axial slice of each level.

        Args:
            studies: N of them.
            level_positions: (N, 5, 3) where each level lies in the patient, mm; NaN where it was not located.
            context: for features and notes.
            grade: other probabilities than the ensemble's.
        """
        table = FeatureTable(studies, context, self.config.features)
        return [
            self._axial(study, positions, table, grade or self.probability, context)
            for study, positions in zip(studies, level_positions, strict=True)
        ]

    def probability(self, group: str, matrix: Matrix) -> NDArray[np.float64]:
        """(n,) the ensemble's probability that each slice is marked."""
        return self.ensembles[group].probability(matrix)

    def _sagittal(self, study: Study, table: FeatureTable, grade: Grade, context: Context) -> dict[Slot, Choice]:
        series = [study.main_series(KINDS[group]) for group, _ in PARTS]
        if all(one is None for one in series):
            return {}
        features = table.of(study)
        probabilities: list[NDArray[np.float64] | None] = []
        for one, (group, side) in zip(series, PARTS, strict=True):
            if one is None:
                probabilities.append(None)
            elif self.ensembles[group].trained:
                probabilities.append(grade(group, sagittal_matrix(one, features, side)))
            else:
                context.note(
                    study.study_id, f"slice of the {part_name(group, side)} by its usual place: too few marked"
                )
                probabilities.append(self._usual(one, part_name(group, side)))
        places = [None if one is None else lateral_mm(one) for one in series]
        distances = self.distances if self.config.joint else None
        chosen: dict[Slot, Choice] = {}
        for part, index in choose_jointly(probabilities, places, distances).items():
            one, values = series[part], probabilities[part]
            if one is None or values is None:
                continue  # for the type checker: only what is there is chosen
            for slot in part_slots(*PARTS[part]):
                chosen[slot] = Choice(one.series_id, index, float(values[index]))
        return chosen

    def _usual(self, series: Series, part: str) -> NDArray[np.float64]:
        """(S,) 1 for the slice at the usual place, else next to nothing. Unknown: the middle, or a third from it."""
        share = float(self.shares.get(part, np.array(np.nan)))
        if np.isnan(share):
            share = {"right": 1 / 3, "left": 2 / 3}.get(part.split()[0], 0.5)
        values = np.full(len(series), 1e-6)
        values[round(share * (len(series) - 1))] = 1.0
        return values

    def _axial(
        self, study: Study, positions: NDArray[np.float64], table: FeatureTable, grade: Grade, context: Context
    ) -> dict[Slot, Choice]:
        order = axial_order(study)
        if not order:
            return {}
        features = table.of(study)
        chosen = {}
        for level, position in enumerate(positions):
            if np.isnan(position).any():
                share = self.shares[AXIAL][level]
                share = level / (len(LEVELS) - 1) if np.isnan(share) else share
                series_id, index = order[round(float(share) * (len(order) - 1))]
                chosen[axial_slot(level)] = Choice(series_id, index, 0.0)
                continue
            candidates = axial_candidates(study, position, self.config.reach_mm)
            if candidates and self.ensembles[AXIAL].trained:
                values = grade(AXIAL, axial_matrix(study, candidates, position, level, features))
                best = int(np.argmax(values))
                one = candidates[best]
                chosen[axial_slot(level)] = Choice(one.series.series_id, one.slice_index, float(values[best]))
                continue
            nearest = study.nearest_slice(position, AXIAL_T2)
            assert nearest is not None  # there are axial slices
            why = f"nearest axial slice to {LEVELS[level]} is {nearest.distance_mm:.0f} mm away"
            if candidates:
                why = f"axial slice nearest to {LEVELS[level]} taken: too few marked to learn from"
            context.note(study.study_id, why)
            chosen[axial_slot(level)] = Choice(nearest.series.series_id, nearest.slice_index, 0.0)
        return chosen

    def save(self, folder: Path) -> None:
        """Write the ensembles, then what else was learnt."""
        for group, ensemble in self.ensembles.items():
            save_ensemble(folder, group, ensemble)
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "distances_mm": None if self.distances is None else self.distances.tolist(),
            "shares": {name: _without_nan(values) for name, values in self.shares.items()},
            "slice_errors": {
                kind: {str(offset): share for offset, share in errors.items()}
                for kind, errors in self.slice_errors.items()
            },
            "accuracy": self.accuracy,
        }
        write_json(folder / FILE, document)

    @classmethod
    def load(cls, folder: Path, config: SelectionConfig) -> Self:
        """What `save` wrote.

        Raises:
            BenchError: nothing is there, or another version's.
            DamagedError: a file of an ensemble is damaged, or holds types that are not trusted.
        """
        document = read_json(folder / FILE)
        if document is None or document.get("schema_version") != SCHEMA_VERSION:
            raise BenchError(f"{folder} holds no slice selection of this version ({FILE}). Train it anew.")
        distances = document["distances_mm"]
        return cls(
            config,
            {group: load_ensemble(folder, group) for group in GROUPS},
            None if distances is None else np.array(distances),
            {name: np.array(values, dtype=np.float64) for name, values in document["shares"].items()},
            {
                kind: {int(offset): share for offset, share in errors.items()}
                for kind, errors in document["slice_errors"].items()
            },
            document["accuracy"],
        )


def _without_nan(values: NDArray[np.float64]) -> Any:
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()
