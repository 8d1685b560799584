"""By how many slices selection errs on studies that it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from bench.approach import Context
from bench.data.keypoints import Keypoints
from bench.data.levels import level_positions
from bench.imaging.study import Study
from bench.targets import LEVELS, TARGETS, indices

from .candidates import Matrix
from .members import MEMBERS
from .selector import Grade, Selector
from .slots import AXIAL, CANAL, FORAMEN, KINDS, Choice, Slot, axial_slot

ENSEMBLE = "ensemble"
MOST_OFF = 3
"""Errors beyond so many slices are counted as so many where training imitates them."""
_CONDITIONS = {CANAL: "spinal", FORAMEN: "foraminal", AXIAL: "subarticular"}


def differences(
    studies: Sequence[Study], keypoints: Keypoints, choices: Sequence[Mapping[Slot, Choice]]
) -> dict[str, list[int]]:
    """By group: chosen minus marked slice of every target that is marked on the series that was chosen."""
    found: dict[str, list[int]] = {group: [] for group in _CONDITIONS}
    for row, slots in enumerate(choices[: len(studies)]):
        for group, condition in _CONDITIONS.items():
            for target in indices(condition):
                level = LEVELS.index(TARGETS[target].level)
                side = TARGETS[target].side if group == FORAMEN else None
                slot = axial_slot(level) if group == AXIAL else (KINDS[group], side, LEVELS[level])
                choice = slots.get(slot)
                if choice is not None and keypoints.series[row, target] == choice.series_id:
                    found[group].append(choice.index - int(keypoints.slices[row, target]))
    return found


def choices_of(
    selector: Selector, studies: Sequence[Study], keypoints: Keypoints, context: Context, grade: Grade | None = None
) -> list[dict[Slot, Choice]]:
    """All slices of some studies, the axial ones near the places that the points give."""
    sagittal = selector.sagittal(studies, context, grade)
    axial = selector.axial(studies, level_positions(studies, keypoints), context, grade)
    return [one | other for one, other in zip(sagittal, axial, strict=True)]


def measure(
    selector: Selector, studies: Sequence[Study], keypoints: Keypoints, context: Context
) -> tuple[dict[str, dict[int, float]], dict[str, dict[str, dict[str, float]]]]:
    """Slice errors by series description, and the accuracy of the ensemble and of each member by group."""
    own = differences(studies, keypoints, choices_of(selector, studies, keypoints, context))
    errors = {KINDS[group]: frequencies(values) for group, values in own.items()}
    accuracy = {group: {ENSEMBLE: shares(values)} for group, values in own.items()}
    if all(ensemble.trained for ensemble in selector.ensembles.values()):
        for name in MEMBERS:

            def alone(group: str, matrix: Matrix, name: str = name) -> np.ndarray:
                return selector.ensembles[group].members[name].probability(matrix)

            for group, values in differences(
                studies, keypoints, choices_of(selector, studies, keypoints, context, alone)
            ).items():
                accuracy[group][name] = shares(values)
    return errors, accuracy


def shares(values: Sequence[int]) -> dict[str, float]:
    """Of differences in slices: the shares exact, within one and within two, and their number."""
    off = np.abs(np.array(values, dtype=np.int64))
    near = {"exact": 0, "within_one": 1, "within_two": 2}
    return {name: float((off <= most).mean()) if len(off) else 0.0 for name, most in near.items()} | {"n": len(off)}


def frequencies(values: Sequence[int]) -> dict[int, float]:
    """How often each difference occurs, clipped to `MOST_OFF`; {0: 1.0} without any."""
    if not len(values):
        return {0: 1.0}
    counts = Counter(int(np.clip(value, -MOST_OFF, MOST_OFF)) for value in values)
    return {offset: counts[offset] / len(values) for offset in sorted(counts)}
