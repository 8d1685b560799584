"""Edge cases for the preset ``odd``, one per study: what real data show now and then.

An edge case changes a study's labels, its plan of series, its points, or its finished files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.targets import AXIAL_T2, LEVELS, MISSING, SAGITTAL_T1, SAGITTAL_T2, TARGETS

from . import corruption
from .acquisition import SeriesPlan
from .annotators import Point
from .corruption import Corruption
from .labels import Severities
from .stacks import Block

Plans = list[SeriesPlan]


@dataclass(frozen=True, slots=True)
class EdgeCase:
    """One irregularity of a study; each function may change what it is given."""

    name: str
    plans: Callable[[Plans], Plans] = lambda plans: plans
    labels: Callable[[Severities], Severities] = lambda severities: severities
    points: Callable[[list[Point]], list[Point]] = lambda points: points
    corrupt: Corruption = corruption.nothing


def _without(*descriptions: str) -> Callable[[Plans], Plans]:
    return lambda plans: [plan for plan in plans if plan.description not in descriptions]


def _each(change: Callable[[SeriesPlan], SeriesPlan], *descriptions: str) -> Callable[[Plans], Plans]:
    """Change the series of these kinds, or all."""
    return lambda plans: [
        change(plan) if not descriptions or plan.description in descriptions else plan for plan in plans
    ]


def _keep_slices(plan: SeriesPlan, keep: Callable[[int], list[int]]) -> SeriesPlan:
    """A plan with some of its slices, counted over all blocks."""
    wanted = set(keep(len(plan)))
    blocks, start = [], 0
    for block in plan.blocks:
        rows = [row for row in range(len(block.origins)) if start + row in wanted]
        start += len(block.origins)
        if rows:
            blocks.append(Block(block.origins[rows], block.along_x, block.along_y))
    numbers = tuple(number for at, number in enumerate(plan.instance_numbers) if at in wanted)
    return replace(plan, blocks=tuple(blocks), instance_numbers=numbers)


def _middle_slice(plan: SeriesPlan) -> SeriesPlan:
    return _keep_slices(plan, lambda count: [count // 2])


def _two_hundred(plan: SeriesPlan) -> SeriesPlan:
    """The same stretch in 200 slices."""
    block = plan.blocks[0]
    first, last = plan.blocks[0].origins[0], plan.blocks[-1].origins[-1]
    normal = np.cross(block.along_x, block.along_y)
    span = float((last - first) @ normal)
    origins = first + np.linspace(0, 1, 200)[:, None] * span * normal
    straight = Block(origins, block.along_x, block.along_y)
    pitch = abs(span) / 199
    return replace(
        plan, blocks=(straight,), instance_numbers=tuple(range(1, 201)), pitch=pitch, thickness=max(pitch, 0.5)
    )


def _numbered(number: Callable[[int], int]) -> Callable[[SeriesPlan], SeriesPlan]:
    return lambda plan: replace(plan, instance_numbers=tuple(number(n) for n in plan.instance_numbers))


def _reversed(plan: SeriesPlan) -> SeriesPlan:
    return replace(plan, instance_numbers=tuple(reversed(plan.instance_numbers)))


def _copied(*descriptions: str) -> Callable[[Plans], Plans]:
    """The same series a second time, under another number."""
    return lambda plans: (
        plans + [replace(plan, series_id=plan.series_id + 5) for plan in plans if plan.description in descriptions]
    )


def _axial_in_parts(plans: Plans) -> Plans:
    result = _without(AXIAL_T2)(plans)
    axial = next(plan for plan in plans if plan.description == AXIAL_T2)
    for part in range(4):
        rows = [int(row) for row in np.array_split(np.arange(len(axial)), 4)[part]]
        piece = _keep_slices(axial, lambda _, rows=rows: rows)  # type: ignore[misc]
        numbers = tuple(range(1, len(piece) + 1))
        result.append(replace(piece, series_id=axial.series_id // 10 * 10 + 5 + part, instance_numbers=numbers))
    return result


def _one_half(plan: SeriesPlan) -> SeriesPlan:
    return _keep_slices(plan, lambda count: [*range(count // 2 + 1)])


def _turned(plan: SeriesPlan) -> SeriesPlan:
    """The slices turned by 12 degrees about the body's long axis."""
    angle = np.deg2rad(12)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    blocks = tuple(Block(b.origins @ turn.T, turn @ b.along_x, turn @ b.along_y) for b in plan.blocks)
    return replace(plan, blocks=blocks)


def _labels(grade: Callable[[int, int], int]) -> Callable[[Severities], Severities]:
    """Grades as a function of the target's index and its grade."""
    return lambda severities: replace(
        severities,
        grades=np.array([grade(index, int(old)) for index, old in enumerate(severities.grades)], dtype=np.int8),
    )


def _three_levels_labels(index: int, grade: int) -> int:
    return MISSING if LEVELS.index(TARGETS[index].level) < 2 else grade


def _three_levels_plans(plan: SeriesPlan) -> SeriesPlan:
    if plan.description == AXIAL_T2:
        return _keep_slices(plan, lambda count: [*range(count * 2 // 5, count)])
    rows, columns = plan.shape
    lost = rows * 9 // 20
    blocks = tuple(Block(b.origins + b.along_y * plan.spacing * lost, b.along_x, b.along_y) for b in plan.blocks)
    return replace(plan, blocks=blocks, shape=(rows - lost, columns), wrapped=0)


EDGE_CASES: tuple[EdgeCase, ...] = (
    EdgeCase("nothing odd"),
    EdgeCase("no T1", _without(SAGITTAL_T1)),
    EdgeCase("no T2", _without(SAGITTAL_T2)),
    EdgeCase("no axial", _without(AXIAL_T2)),
    EdgeCase("T1 alone", _without(SAGITTAL_T2, AXIAL_T2)),
    EdgeCase("axial alone", _without(SAGITTAL_T1, SAGITTAL_T2)),
    EdgeCase("one slice in every series", _each(_middle_slice)),
    EdgeCase("one slice of T2", _each(_middle_slice, SAGITTAL_T2)),
    EdgeCase("200 axial slices", _each(_two_hundred, AXIAL_T2)),
    EdgeCase("instances from left to right", _each(_reversed, SAGITTAL_T1, SAGITTAL_T2)),
    EdgeCase("instances from foot to head", _each(_reversed, AXIAL_T2)),
    EdgeCase("gaps in instance numbers", _each(_numbered(lambda number: 3 * number + 2))),
    EdgeCase("instance numbers in the thousands", _each(_numbered(lambda number: number + 5000))),
    EdgeCase("labels missing everywhere", labels=_labels(lambda index, grade: MISSING)),
    EdgeCase("no spinal labels", labels=_labels(lambda index, grade: MISSING if index < 5 else grade)),
    EdgeCase("right side without labels", labels=_labels(lambda i, g: MISSING if TARGETS[i].side == "right" else g)),
    EdgeCase("three levels in view", _each(_three_levels_plans), labels=_labels(_three_levels_labels)),
    EdgeCase("no points", points=lambda points: []),
    EdgeCase("points of one level alone", points=lambda points: [p for p in points if p.target.level == "l4_l5"]),
    EdgeCase("points on the left alone", points=lambda points: [p for p in points if p.target.side == "left"]),
    EdgeCase("axial in four series", _axial_in_parts),
    EdgeCase("T1 twice", _copied(SAGITTAL_T1)),
    EdgeCase("axial twice", _copied(AXIAL_T2)),
    EdgeCase("right half of the body alone", _each(_one_half, SAGITTAL_T1)),
    EdgeCase("sagittal slices turned", _each(_turned, SAGITTAL_T1, SAGITTAL_T2)),
    EdgeCase("wide images", _each(lambda plan: replace(plan, shape=(plan.shape[0], plan.shape[1] * 5 // 4)))),
    EdgeCase("high images", _each(lambda plan: replace(plan, shape=(plan.shape[0], plan.shape[1] * 4 // 5)))),
    EdgeCase("a truncated file", corrupt=corruption.truncate),
    EdgeCase("a file that is no DICOM", corrupt=corruption.replace_with_text),
    EdgeCase("an empty file", corrupt=corruption.empty),
    EdgeCase("a series without files", corrupt=corruption.empty_series),
    EdgeCase("a series of the table absent", corrupt=corruption.drop_series),
    EdgeCase("a slice absent", corrupt=corruption.drop_slice),
    EdgeCase("a slice of another size", corrupt=corruption.crop_slice),
    EdgeCase("a slice without position", corrupt=corruption.drop_position),
    EdgeCase("a slice twice", corrupt=corruption.repeat_slice),
    EdgeCase("rescaled values", corrupt=corruption.rescale),
    EdgeCase("not compressed", corrupt=corruption.decompress),
    EdgeCase("an axial series that lies coronal", corrupt=corruption.turn_coronal),
    EdgeCase("blank slices", corrupt=corruption.blank),
)  # fmt: skip
