from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.approaches.sequence.prepare import Readers, prepare_studies, study_file, to_patient, write_study
from bench.approaches.sequence.scan_config import Preparation, Scan
from bench.approaches.sequence.scans import ScanReader, centre
from bench.approaches.sequence.slice_choice import KINDS, slice_centre
from bench.errors import DataError
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2
from bench.training.checkpoints import read_tensors
from bench.training.windows import whole

WINDOW = (20.0, 20.0, 24.0, 24.0)
SMALL = Scan(slices=6, spacing="centred", window_mm=WINDOW, size=(24, 20))
CONFIG = Preparation(sagittal_t1=SMALL, sagittal_t2=SMALL, axial_t2=SMALL, intensity="percentile")


@pytest.fixture
def prepared(tmp_path: Path, volumes_of):
    def prepare(study: Study, config: Preparation = CONFIG, name: str = "work") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        context = SimpleNamespace(folder=folder, volumes=volumes_of(study), threads=2, progress=lambda *_: None)
        prepare_studies((study,), context, config)
        return folder

    return prepare


def reader(folder: Path, study: Study, config: Preparation = CONFIG) -> ScanReader:
    return ScanReader(folder, (study,), config, "cpu")


@pytest.mark.parametrize("directions", [((0, 1, 0), (0, 0, -1)), ((0, -1, 0), (0, 0, 1))])
def test_maps_lead_from_the_image_to_the_patient_whatever_way_the_file_runs(series_of, directions) -> None:
    series = series_of(1, SAGITTAL_T2, directions=directions)
    back_foot = to_patient(series, 3, whole(series, 3)) @ [1, 1, 1]
    expected = slice_centre(series, 3) + np.array([0, 80, -100])  # half of 80 columns and 100 rows of 2 mm
    np.testing.assert_allclose(back_foot, expected)


def test_windows_are_measured_in_millimetres_from_the_middle(study, prepared) -> None:
    scans = reader(prepared(study), study).read(np.array([0]))
    for kind in KINDS:
        maps = scans[kind].maps[0]
        edges = maps @ torch.tensor([[-1.0, 1], [-1, 1], [1, 1]])  # top left and bottom right corner
        np.testing.assert_allclose((edges[..., 1] - edges[..., 0]).norm(dim=1), np.hypot(40, 48), rtol=1e-5)
        np.testing.assert_allclose(maps[:, :, 2].mean(dim=0)[1:], 0, atol=4)


def test_slices_are_read_in_their_order_and_absent_ones_are_not_there(study, prepared) -> None:
    short = replace(study, series=tuple(one for one in study.series if one.description != SAGITTAL_T1))
    scans = reader(prepared(short), short).read(np.array([0]))
    assert scans[SAGITTAL_T2].present.all()
    assert not scans[SAGITTAL_T1].present.any()
    assert not scans[SAGITTAL_T1].images.any()
    x = scans[SAGITTAL_T2].maps[0, :, 0, 2]
    assert (x.diff() > 0).all()  # patient right to left
    z = scans[AXIAL_T2].maps[0, :, 2, 2]
    assert (z.diff() < 0).all()  # head to foot


def test_one_slice_stays_one(series_of, prepared) -> None:
    study = Study(1, (series_of(1, SAGITTAL_T2, count=1),))
    scans = reader(prepared(study), study).read(np.array([0]))
    assert scans[SAGITTAL_T2].present.sum() == 1


def test_instance_numbers_make_no_difference(study, prepared) -> None:
    random = np.random.default_rng(0)
    shuffled = tuple(replace(one, instance_numbers=random.permutation(one.instance_numbers)) for one in study.series)
    first, second = prepared(study, name="a"), prepared(replace(study, series=shuffled), name="b")
    before, after = (read_tensors(study_file(folder, 1))[0] for folder in (first, second))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_stack_of_mixed_sizes(series_of, prepared) -> None:
    series = series_of(1, SAGITTAL_T2, count=6)
    shapes = series.shapes.copy()
    shapes[3] = (60, 50)
    study = Study(1, (replace(series, shapes=shapes),))
    for intensity in ("percentile", "adapted"):
        config = CONFIG.model_copy(update={"intensity": intensity})
        scans = reader(prepared(study, config, intensity), study, config).read(np.array([0]))[SAGITTAL_T2]
        assert scans.present.all()
        assert (scans.images[0].flatten(1).std(dim=1) > 0).all()


def test_the_published_preparation_has_one_crop_per_scan(study, prepared) -> None:
    config = Preparation(**{name: Scan(size=(32, 32)) for name in ("sagittal_t1", "sagittal_t2", "axial_t2")})
    tensors, _ = read_tensors(study_file(prepared(study, config), 1))
    for kind in KINDS:
        images, maps = tensors[f"{kind}/images"], tensors[f"{kind}/maps"]
        assert images.shape == (10, 32, 32)
        assert images.dtype == torch.uint8
        assert torch.allclose(maps[0, :, :2], maps[9, :, :2])
    width, height = (2 * tensors[f"{AXIAL_T2}/maps"][0, :, axis].norm() for axis in (0, 1))
    assert width == pytest.approx(0.4 * 90 * 2)
    assert height == pytest.approx(0.5 * 90 * 2)


def test_percentile_and_adapted_show_the_same_place(study, prepared) -> None:
    images = {}
    for intensity in ("percentile", "adapted"):
        config = CONFIG.model_copy(update={"intensity": intensity})
        images[intensity] = reader(prepared(study, config, intensity), study, config).read(np.array([0]))
    for kind in KINDS:
        one, other = (images[name][kind].images.flatten() for name in images)
        assert np.corrcoef(one, other)[0, 1] > 0.9


def test_what_is_there_is_not_prepared_again(study, tmp_path, volumes_of, monkeypatch) -> None:
    context = SimpleNamespace(folder=tmp_path, volumes=volumes_of(study), threads=1, progress=lambda *_: None)
    write_study(study_file(tmp_path, 1), study, Readers(context.volumes, CONFIG))
    monkeypatch.setattr("bench.approaches.sequence.prepare.write_study", lambda *_: pytest.fail("prepared again"))
    prepare_studies((study,), context, CONFIG)


def test_slices_of_other_series_than_the_study_has_are_refused(study, prepared) -> None:
    folder = prepared(study)
    with pytest.raises(DataError, match="prepared from other series than study 1"):
        reader(folder, replace(study, series=study.series[:2])).read(np.array([0]))


def test_the_centre_is_that_of_the_first_scan_that_is_there(study, series_of) -> None:
    moved = series_of(5, SAGITTAL_T1, position=(10.0, 20.0, 30.0))
    np.testing.assert_allclose(centre(study), 0, atol=2)
    only = replace(study, series=(moved,))
    np.testing.assert_allclose(centre(only), (slice_centre(moved, 0) + slice_centre(moved, 10)) / 2)
    assert not centre(replace(study, series=())).any()
