"""Draw ``grades.png`` of the phantom's README: crops of each condition by severity.

Run it as ``python tests/evidence/phantom/gallery.py -o grades.png``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from learning.crops import annotated_points, crop_bag, stack
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.datasets.phantom.labels import label_model
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.scan import scan_series
from bench.datasets.phantom.tables import plan
from bench.targets import CONDITIONS, TARGETS

_STEPS = {"normal": -1.0, "mild": 0.5, "moderate": 1.5, "severe": 2.6}
_EACH = 2  # studies per grade


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The PNG to write.")
@click.option("--seed", default=100, show_default=True, help="Of the phantom.")
def main(out: Path, seed: int) -> None:
    """Draw crops around targets of rising severity."""
    figure = Figure(figsize=(2 * len(_STEPS) * _EACH, 2.2 * len(CONDITIONS)), facecolor="black")
    axes = figure.subplots(len(CONDITIONS), len(_STEPS) * _EACH)
    for line, condition in zip(axes, CONDITIONS, strict=True):
        panels = [(name, pair) for name, step in _STEPS.items() for pair in _examples(seed, condition, step)]
        for axis, (name, (index, target)) in zip(line, panels, strict=True):
            image = _crop(seed, index, target)
            axis.imshow(image, cmap="gray", vmin=0, vmax=max(int(np.percentile(image, 99.5)), 1))
            axis.set_title(f"{condition}, {name}", color="white", fontsize=8, pad=3)
            axis.set_axis_off()
    figure.subplots_adjust(left=0.005, right=0.995, top=0.95, bottom=0.005, wspace=0.04, hspace=0.16)
    figure.savefig(out, dpi=65, facecolor="black")


def _examples(seed: int, condition: str, step: float) -> list[tuple[int, int]]:
    """The first (study, target) pairs of the middle levels whose severity is nearly ``step``."""
    found = _near(seed, condition, step)
    return [next(found) for _ in range(_EACH)]


def _near(seed: int, condition: str, step: float) -> Iterator[tuple[int, int]]:
    for index in range(10_000):
        steps = label_model().draw(seed, index).steps
        for number, target in enumerate(TARGETS):
            usual = target.condition == condition and target.level in ("l3_l4", "l4_l5") and target.side != "right"
            if usual and abs(steps[number] - step) < 0.2:
                yield index, number
                break


def _crop(seed: int, index: int, target: int) -> NDArray[np.uint8]:
    study = plan(seed, index, PRESETS["standard"])
    stacks = {
        series.series_id: stack(series, scan_series(seed, index, number, series, study.patient))
        for number, series in enumerate(study.plans)
        if series.description == TARGETS[target].point_series
    }
    points = annotated_points(study, stacks, only=target)
    return crop_bag(*points[0], TARGETS[target].condition, TARGETS[target].side)[2]


if __name__ == "__main__":
    main()
