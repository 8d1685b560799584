"""How far slice selection errs on studies it was not trained on, by member, and which features it needs.

Run it as ``python tests/evidence/multitask/selection.py --dataset standard:0 --folder DIR``. Axial slices are chosen
near the levels that annotators' sagittal points give, so that selection alone is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import numpy as np
from superres import opened_phantom

from bench.approach import Context
from bench.approaches.multitask.selection import SelectionConfig, Selector
from bench.approaches.multitask.selection.accuracy import ENSEMBLE, choices_of, differences, measure, shares
from bench.approaches.multitask.selection.candidates import Matrix
from bench.approaches.multitask.selection.config import ALL_KINDS, FeatureConfig
from bench.approaches.multitask.selection.slots import GROUPS, KINDS, PARTS, Choice, Slot, part_slots
from bench.approaches.multitask.selection.stage import fit_selector
from bench.approaches.multitask.selection.texture import blocks
from bench.data.cohort import Cohort
from bench.data.keypoints import Keypoints, read_keypoints
from bench.testing import make_context

PLACE = "place"
MIDDLE = "middle slice"


def middle_slices(studies: Cohort) -> list[dict[Slot, Choice]]:
    """The middle of each sagittal series for the canal, and the same for the foramina; no axial slice."""
    chosen: list[dict[Slot, Choice]] = []
    for study in studies.studies:
        chosen.append({})
        for group, side in PARTS:
            series = study.main_series(KINDS[group])
            for slot in part_slots(group, side) if series is not None else ():
                chosen[-1][slot] = Choice(series.series_id, len(series) // 2, 0.0)
    return chosen


def columns(config: SelectionConfig, width: int) -> dict[str, list[int]]:
    """By block, its columns in a matrix of this width: features, those within the stack; last, where a slice lies."""
    sizes = blocks(config.features)
    total, start = sum(sizes.values()), 0
    found = {PLACE: list(range(2 * total, width))}
    for name, size in sizes.items():
        own = list(range(start, start + size))
        found[name] = own + [total + column for column in own]
        start += size
    return found


def importance(
    selector: Selector, studies: Cohort, keypoints: Keypoints, context: Context, seed: int = 0
) -> Iterator[tuple[str, Mapping[str, dict[str, float]]]]:
    """Block by block: accuracy by group when that block is shuffled between the slices of each stack."""
    for name in (PLACE, *blocks(selector.config.features)):
        random = np.random.default_rng(seed)

        def shuffled(group: str, matrix: Matrix, name: str = name, random: np.random.Generator = random) -> np.ndarray:
            own = columns(selector.config, matrix.shape[1])[name]
            other = matrix.copy()
            other[:, own] = matrix[random.permutation(len(matrix))][:, own]
            return selector.probability(group, other)

        found = differences(
            studies.studies, keypoints, choices_of(selector, studies.studies, keypoints, context, shuffled)
        )
        yield name, {group: shares(values) for group, values in found.items()}


def line(group: str, name: str, one: Mapping[str, float]) -> str:
    """One row of a table."""
    values = "  ".join(f"{key} {100 * one[key]:5.1f} %" for key in ("exact", "within_one", "within_two"))
    return f"{group:8} {name:15} {values}  n = {one['n']:.0f}"


@click.command()
@click.option("--dataset", default="standard:0", help="A preset of the phantom, and its seed.")
@click.option("--train", "count", default=80, help="Studies to train on.")
@click.option("--held-out", default=100, help="Studies to measure on.")
@click.option("--importance", "with_importance", is_flag=True, help="Shuffle each kind of feature in turn.")
@click.option("--all-kinds", is_flag=True, help="Compute all kinds of features, not the default's.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="An empty folder to work in.")
def main(dataset: str, count: int, held_out: int, with_importance: bool, all_kinds: bool, folder: Path) -> None:
    """Print the tables."""
    opened = opened_phantom(dataset)
    ids = opened.cohort.study_ids
    train, test = opened.cohort.subset(ids[:count]), opened.cohort.subset(ids[count : count + held_out])
    context = make_context(folder, opened.volumes, all_studies=opened.cohort.subset(ids[: count + held_out]))
    config = SelectionConfig(features=FeatureConfig(kinds=ALL_KINDS)) if all_kinds else SelectionConfig()
    selector = fit_selector(train, context, config)
    keypoints = read_keypoints(test, lambda *_: None)
    print(f"features: {', '.join(config.features.kinds)}")
    print(f"phantom:{dataset}, trained on {len(train)} studies, measured on {len(test)} others")
    _, accuracy = measure(selector, test.studies, keypoints, context)
    middle = differences(test.studies, keypoints, middle_slices(test))
    for group in GROUPS:
        for name, one in accuracy[group].items():
            print(line(group, name, one))
        if middle[group]:
            print(line(group, MIDDLE, shares(middle[group])))
    if with_importance:
        print("shuffled within each stack:")
        for name, found in importance(selector, test, keypoints, context):
            for group in GROUPS:
                lost = 100 * (accuracy[group][ENSEMBLE]["exact"] - found[group]["exact"])
                near = 100 * (accuracy[group][ENSEMBLE]["within_one"] - found[group]["within_one"])
                print(f"{group:8} {name:15} exact -{lost:5.1f} points  within one -{near:5.1f} points")


if __name__ == "__main__":
    main()
