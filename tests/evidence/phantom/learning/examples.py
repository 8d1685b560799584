"""The inputs of all readers for many studies, made once and kept as arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from bench.datasets.phantom.canvas import FloatArray
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.scan import scan_series
from bench.datasets.phantom.tables import PlannedStudy, plan
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, TARGETS

from .crops import Stack, annotated_points, crop_bag, nearest, stack

# Input of the whole-scan reader: slices at these fractions of the stack, from right to left or from head to foot,
# each cropped to the part (top, bottom, left and right fraction) in which the spine lies.
SLICES = {
    SAGITTAL_T2: (0.38, 0.44, 0.50, 0.56, 0.62),
    SAGITTAL_T1: (0.17, 0.24, 0.31, 0.38, 0.62, 0.69, 0.76, 0.83),
    AXIAL_T2: tuple(np.linspace(0, 1, 20)),
}
_SPINE = (0.08, 0.95, 0.25, 0.80)
PARTS = {SAGITTAL_T2: _SPINE, SAGITTAL_T1: _SPINE, AXIAL_T2: (0.25, 0.75, 0.25, 0.75)}
SIZES = {SAGITTAL_T2: (192, 128), SAGITTAL_T1: (192, 128), AXIAL_T2: (96, 96)}


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Arrays over ``N`` studies; the second axis is the 25 targets."""

    grades: NDArray[np.int8]  # (N, 25)
    probabilities: FloatArray  # (N, 25, 3)
    steps: FloatArray  # (N, 25)
    degeneration: FloatArray  # (N, 5)
    crops: NDArray[np.uint8]  # (N, 25, 5, 48, 48) at the annotators' points
    muscle: NDArray[np.uint8]  # (N, 25, 48, 48) in the back muscles
    canal_t1: NDArray[np.uint8]  # (N, 5, 5, 48, 48) at the canal's points, on T1
    sagittal: NDArray[np.uint8]  # (N, 13, 192, 128) slices spread over T2, then over T1
    axial: NDArray[np.uint8]  # (N, 20, 96, 96)
    intensities: FloatArray  # (N, F) statistics of whole series
    acquisition: FloatArray  # (N, F) sizes, spacings, counts, orders

    def subset(self, rows: NDArray[np.int64]) -> Examples:
        """The same arrays of some studies."""
        return Examples(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def make_examples(folder: Path, *, seed: int, first: int, studies: int, preset: str = "small") -> Examples:
    """The examples of studies ``first`` to ``first + studies``, each read from ``folder`` if it lies there already."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for index in range(first, first + studies):
        path = folder / f"examples-{preset}-{seed}-{index}.npz"
        if not path.exists():
            unfinished = path.with_name(f".{os.getpid()}-{path.name}")
            np.savez(unfinished, **_example(seed, index, preset))  # type: ignore[arg-type]
            os.replace(unfinished, path)
        with np.load(path) as arrays:
            parts.append({name: arrays[name] for name in arrays.files})
    return Examples(**{name: np.stack([part[name] for part in parts]) for name in parts[0]})


def _example(seed: int, index: int, preset: str) -> dict[str, np.ndarray]:
    study = plan(seed, index, PRESETS[preset])
    scans = [scan_series(seed, index, number, series, study.patient) for number, series in enumerate(study.plans)]
    stacks = {series.series_id: stack(series, pixels) for series, pixels in zip(study.plans, scans, strict=True)}
    points = annotated_points(study, stacks)
    crops, muscle, canal_t1 = [], [], []
    for target, (here, at, world) in zip(TARGETS, points, strict=True):
        crops.append(crop_bag(here, at, world, target.condition, target.side))
        aside = {"left": 20.0, "right": -20.0, None: 20.0}[target.side]
        back = nearest(stacks, target.point_series, world + _muscle_offset(study, target.level, world, aside))
        muscle.append(crop_bag(*back, target.condition, target.side)[2])
        if target.condition == "spinal":
            canal_t1.append(crop_bag(*nearest(stacks, SAGITTAL_T1, world), "spinal", None))
    return {
        "grades": study.severities.grades,
        "probabilities": study.severities.probabilities,
        "steps": study.severities.steps,
        "degeneration": study.patient.person.degeneration,
        "crops": np.stack(crops),
        "muscle": np.stack(muscle),
        "canal_t1": np.stack(canal_t1),
        "sagittal": np.concatenate([spread(stacks.values(), kind) for kind in (SAGITTAL_T2, SAGITTAL_T1)]),
        "axial": spread(stacks.values(), AXIAL_T2),
        "intensities": _intensities(study, scans),
        "acquisition": _acquisition(study),
    }


def _muscle_offset(study: PlannedStudy, level: str, world: FloatArray, aside: float) -> FloatArray:
    """From a target's point to the middle of the back muscles beside the spinous process."""
    disc = study.patient.spine.level(LEVELS.index(level))
    middle = disc.frame.to_world([aside, disc.depth / 2 + 45, 0.0])
    return middle - world


def spread(stacks: Iterable[Stack], description: str) -> NDArray[np.uint8]:
    """(S, H, W) slices spread over all series of a kind; black if there is none."""
    slices = [image for one in stacks if one.plan.description == description for image in one.pixels]
    height, width = SIZES[description]
    images = np.zeros((len(SLICES[description]), height, width), dtype=np.uint8)
    top, bottom, left, right = PARTS[description]
    for place, share in enumerate(SLICES[description] if slices else ()):
        image = slices[round(share * (len(slices) - 1))]
        rows = np.linspace(top, bottom, height) * (image.shape[0] - 1)
        columns = np.linspace(left, right, width) * (image.shape[1] - 1)
        patch = map_coordinates(image, np.meshgrid(rows, columns, indexing="ij"), order=1)
        images[place] = np.clip(patch * 200, 0, 255).astype(np.uint8)
    return images


def _intensities(study: PlannedStudy, scans: list[np.ndarray]) -> FloatArray:
    features = []
    for description in (SAGITTAL_T1, SAGITTAL_T2, AXIAL_T2):
        pixels = [scan for series, scan in zip(study.plans, scans, strict=True) if series.description == description]
        if not pixels:
            features.append(np.zeros(13))
            continue
        values = pixels[0].astype(np.float64)
        quantiles = np.percentile(values, [1, 5, 10, 25, 50, 75, 90, 95, 99])
        slices = values.mean(axis=(1, 2))
        features.append(np.array([values.mean(), values.std(), *quantiles, slices.std(), slices.max()]))
    return np.concatenate(features)


def _acquisition(study: PlannedStudy) -> FloatArray:
    features: list[float] = [len(study.plans)]
    for description in (SAGITTAL_T1, SAGITTAL_T2, AXIAL_T2):
        series = [one for one in study.plans if one.description == description]
        if not series:
            features += [0.0] * 8
            continue
        one = series[0]
        origin = one.blocks[0].origins[0]
        features += [
            len(series), sum(map(len, series)), *one.shape, one.spacing, one.thickness, one.pitch, len(one.blocks),
            one.sequence.repetition, one.sequence.echo, one.sequence.tesla, *origin, one.instance_numbers[0],
        ]  # fmt: skip
        features = [float(value) for value in features]
    return np.array(features[:46] + [0.0] * (46 - len(features)))
