"""Signal-to-noise and contrast ratios, measured in regions of interest on the phantom's scans.

Run it as ``python tests/evidence/phantom/contrasts.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
import numpy as np
from learning.crops import Stack, stack
from numpy.typing import NDArray

from bench.datasets.phantom.canvas import FloatArray
from bench.datasets.phantom.foramina import foramen_centre
from bench.datasets.phantom.patient import Patient
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.scan import scan_series
from bench.datasets.phantom.soft_tissue import back_line
from bench.datasets.phantom.spine import FIRST_LEVEL
from bench.datasets.phantom.tables import plan
from bench.targets import SAGITTAL_T1, SAGITTAL_T2

_RAYLEIGH = 0.655  # spread of a magnitude image in air, where there is only noise, relative to the noise's sigma
_OPEN = 0.5  # steps of severity below which a foramen has its fat

# (what, numerator, denominator) of each kind of series
RATIOS = {
    SAGITTAL_T2: (
        ("T2, CSF to healthy nucleus", "csf", "nucleus"),
        ("T2, CSF to degenerated disc", "csf", "worn"),
        ("T2, CSF to posterior annulus", "csf", "annulus"),
        ("T2, subcutaneous fat to muscle", "fat", "muscle"),
        ("T2, signal to noise of CSF", "csf", "noise"),
        ("T2, signal to noise of marrow", "marrow", "noise"),
    ),
    SAGITTAL_T1: (
        ("T1, foraminal fat to root", "foramen fat", "root"),
        ("T1, subcutaneous fat to muscle", "fat", "muscle"),
        ("T1, CSF to posterior annulus", "csf", "annulus"),
        ("T1, signal to noise of marrow", "marrow", "noise"),
    ),
}


def measured(seed: int, index: int) -> dict[str, float]:
    """The ratios of `RATIOS` that study ``index`` of ``small`` has; a STIR series is not measured."""
    study = plan(seed, index, PRESETS["small"])
    found: dict[str, float] = {}
    for number, series in enumerate(study.plans):
        ratios = RATIOS.get(series.description, ())
        if series.sequence.inversion or any(name in found for name, *_ in ratios) or not ratios:
            continue
        pixels = scan_series(seed, index, number, series, study.patient)
        here = stack(series, pixels)
        raw = pixels[[series.instance_numbers.index(n) for n in here.numbers]].astype(np.float64)
        values = {tissue: _mean(here, raw, places) for tissue, places in _places(study.patient).items()}
        values["noise"] = _noise(here, raw, study.patient)
        found |= {name: values[above] / values[below] for name, above, below in ratios}
    return found


def _places(patient: Patient) -> dict[str, list[tuple[FloatArray, float]]]:
    """World points and radii in mm of each tissue's regions."""
    spine, person = patient.spine, patient.person
    places: dict[str, list[tuple[FloatArray, float]]] = {
        name: [] for name in ("csf", "nucleus", "worn", "annulus", "fat", "muscle", "marrow", "root", "foramen fat")
    }
    for level in range(1, 4):
        body, disc = spine.bodies[FIRST_LEVEL + level], spine.level(level)
        front = spine.canal_front(float(body.frame.origin[2]))
        places["csf"].append((front + np.array([0, 1 + 0.35 * person.sac_depth, 0]), 1.5))
        places["marrow"].append((body.frame.to_world([0, -4, 0]), 5.0))
        worn = person.degeneration[level]
        if worn < 0.3 or worn > 0.7:
            places["worn" if worn > 0.7 else "nucleus"].append((disc.frame.to_world([0, 0, 0.25 * disc.front]), 1.5))
        places["annulus"].append((disc.frame.to_world([0, disc.depth / 2 - 1.0, 0]), 1.0))
        places["muscle"] += [(disc.frame.to_world([side * 22, disc.depth / 2 + 42, 0]), 6.0) for side in (-1, 1)]
        skin = float(back_line(patient, np.array([front[2]], dtype=np.float32))[0])
        places["fat"].append((np.array([front[0], skin - 0.5 * person.subcutaneous, front[2]]), 3.0))
        for side in range(2):
            if patient.narrowing.foraminal_steps[level, side] < _OPEN:
                places["root"].append((_in_foramen(patient, level, side, above=2.8), 1.0))
                places["foramen fat"].append((_in_foramen(patient, level, side, above=-3.5), 1.0))
    return places


def _in_foramen(patient: Patient, level: int, side: int, *, above: float) -> FloatArray:
    centre = foramen_centre(patient, level, side)
    return patient.spine.level(level).frame.to_world(centre + np.array([0, -0.3, above]))


def _mean(here: Stack, raw: FloatArray, places: list[tuple[FloatArray, float]]) -> float:
    """Mean grey value of the pixels within the radii, each on the slice nearest to its point; NaN without any."""
    values: list[float] = []
    for world, radius in places:
        at = int(np.argmin(here.distances(world)))
        x, y = here.pixel(at, world)
        reach = radius / here.plan.spacing
        rows, columns = np.ogrid[: raw.shape[1], : raw.shape[2]]
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= max(reach, 0.71) ** 2
        values += [float(value) for value in raw[at][inside]]
    return float(np.mean(values)) if values else float("nan")


def _noise(here: Stack, raw: FloatArray, patient: Patient) -> float:
    """Sigma of the noise, from air behind the back in the middle slice."""
    at = len(raw) // 2
    rows, columns = np.mgrid[: raw.shape[1], : raw.shape[2]]
    world = here.world(at, 0, 0) + here.plan.spacing * (
        columns[..., None] * here.axes[at, 0] + rows[..., None] * here.axes[at, 1]
    )
    skin = back_line(patient, world[..., 2].astype(np.float32))
    air = world[..., 1] > skin + 10
    return float(raw[at][air].std() / _RAYLEIGH) if air.sum() > 50 else float("nan")


def summary(studies: list[Mapping[str, float]]) -> Iterator[tuple[str, int, NDArray[np.float64]]]:
    """For each ratio its name, how many studies have it, and its 5th, 50th and 95th percentile."""
    for name, *_ in (ratio for ratios in RATIOS.values() for ratio in ratios):
        values = np.array([study[name] for study in studies if np.isfinite(study.get(name, np.nan))])
        yield name, len(values), np.percentile(values, [5, 50, 95]) if len(values) else np.full(3, np.nan)


@click.command()
@click.option("--seed", default=100, show_default=True)
@click.option("--studies", default=30, show_default=True)
def main(seed: int, studies: int) -> None:
    """Print 5th, 50th and 95th percentile of every ratio."""
    for name, count, (low, middle, high) in summary([measured(seed, index) for index in range(studies)]):
        print(f"{name:36s} {count:4d}  {low:6.2f} {middle:6.2f} {high:6.2f}")


if __name__ == "__main__":
    main()
