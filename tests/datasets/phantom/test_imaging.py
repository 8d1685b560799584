from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.phantom.canvas import WORLD, Canvas, Frame
from bench.datasets.phantom.labels import label_model
from bench.datasets.phantom.patient import make_patient
from bench.datasets.phantom.presets import PRESETS
from bench.datasets.phantom.scan import scan_series
from bench.datasets.phantom.scanner import Flaws, scanned
from bench.datasets.phantom.tables import plan
from bench.datasets.phantom.tissue import Sequence, draw_sequence

T1 = Sequence("T1", 580, 11, 0, 1.5)
T2 = Sequence("T2", 3700, 104, 0, 1.5)
STIR = draw_sequence("Sagittal T2/STIR", 1.5, np.random.default_rng(0), stir=True)
CLEAN = Flaws(0.0, (1.0, 1.0), 0.01, (0.0, 3.0), 1, np.zeros(5), 0.0, 1000.0)


def canvas(planes: int = 3, *, tilt_deg: float = 0.0) -> Canvas:
    angle = np.deg2rad(tilt_deg)
    along_y = np.array([0.0, np.cos(angle), np.sin(angle)])
    normal = np.cross([1.0, 0, 0], along_y)
    corner = np.array([-20.0, 0, 0]) - 20 * along_y
    return Canvas(corner + np.arange(planes)[:, None] * 2.0 * normal, np.array([1.0, 0, 0]), along_y, 0.5, (81, 81))


def test_bright_tissues_are_those_of_each_sequence() -> None:
    assert T2.signal("csf") > T2.signal("nucleus") > T2.signal("dry_disc") > T2.signal("cortex")
    assert T2.signal("csf") / T2.signal("annulus") > 4
    assert T1.signal("fat") > T1.signal("marrow") > T1.signal("muscle") > T1.signal("csf")
    assert 1.6 < T1.signal("fat") / T1.signal("nerve") < 3
    assert STIR.signal("fat") < 0.15 * STIR.signal("csf")


@pytest.mark.parametrize("tilt_deg", [0.0, 17.0])
def test_a_regions_coordinates_are_the_pixels_places(tilt_deg: float) -> None:
    surface = canvas(tilt_deg=tilt_deg)
    frame = Frame(np.array([1.0, 2.0, 1.5]), np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0])
    region = surface.region(frame, [-6, -6, -6], [6, 6, 6])
    assert region is not None
    shape = surface.values[region.where].shape
    local = np.stack([np.broadcast_to(part, shape) for part in (region.u, region.v, region.w)], axis=-1)
    planes, rows, columns = np.meshgrid(*(np.arange(part.start, part.stop) for part in region.where), indexing="ij")
    world = (
        surface.origins[planes]
        + columns[..., None] * surface.spacing * surface.along_x
        + rows[..., None] * surface.spacing * surface.along_y
    )
    np.testing.assert_allclose(local, frame.to_local(world), atol=1e-4)


def test_a_region_misses_nothing_of_its_box() -> None:
    surface = canvas(5, tilt_deg=11.0)
    region = surface.region(WORLD, [-4, -3, -2], [4, 3, 2])
    assert region is not None
    everywhere = surface.everywhere()
    inside = (np.abs(everywhere.u) <= 4) & (np.abs(everywhere.v) <= 3) & (np.abs(everywhere.w) <= 2)
    outside = np.ones(surface.shape, dtype=bool)
    outside[region.where] = False
    assert inside.sum() > 100
    assert not (inside & outside).any()
    assert surface.region(WORLD, [900, 0, 0], [901, 1, 1]) is None


def test_a_clean_scanner_only_scales() -> None:
    image = np.zeros((1, 64, 64), dtype=np.float32)
    image[0, 20:40, 20:40] = 2.0
    result = scanned(image, replace(CLEAN, gain=1000.0), np.random.default_rng(0))
    np.testing.assert_allclose(result, image * 500, atol=1)


def test_noise_is_rician() -> None:
    """In air its mean is sigma times sqrt(pi / 2); in tissue its spread is sigma."""
    image = np.zeros((1, 128, 128), dtype=np.float32)
    image[0, 64:] = 1.0
    result = scanned(image, replace(CLEAN, noise=0.04), np.random.default_rng(0))[0].astype(float)
    assert result[:60].mean() == pytest.approx(40 * np.sqrt(np.pi / 2), rel=0.03)
    assert result[70:].std() == pytest.approx(40, rel=0.05)


def test_motion_makes_ghosts_along_the_phase_direction_alone() -> None:
    image = np.zeros((1, 96, 96), dtype=np.float32)
    image[0, 32:64, 40:56] = 1.0
    ghosted = scanned(image, replace(CLEAN, ghost=(0.1, 4.0), gain=4000.0), np.random.default_rng(0))[0].astype(float)
    ghosted /= ghosted.max()
    assert ghosted[:20, 40:56].mean() > 4 * ghosted[32:64, :20].mean()


def test_signal_to_noise_of_csf_is_that_of_clinical_scans() -> None:
    """Spread of repeated scans of one patient, so that anatomy does not count."""
    study = plan(3, 1, PRESETS["small"])
    number, series = next((n, p) for n, p in enumerate(study.plans) if p.sequence.name == "T2" and len(p.blocks) == 1)
    one, other = (
        scan_series(seed, 1, number, series, study.patient)[len(series) // 2].astype(float) for seed in (3, 4)
    )
    bright = (one > np.percentile(one, 98)) & (other > np.percentile(other, 98))
    scale = other[bright].mean() / one[bright].mean()
    spread = (other[bright] / scale - one[bright]).std() / np.sqrt(2)
    assert 5 < one[bright].mean() / spread < 100


def test_the_same_study_gives_the_same_pixels() -> None:
    patient = make_patient(3, 2, label_model().draw(3, 2))
    series = plan(3, 2, PRESETS["tiny"]).plans[0]
    first, again = (scan_series(3, 2, 0, series, patient) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.max() > 200
