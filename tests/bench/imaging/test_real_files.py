"""Files of eight vendors, pixel for pixel against SimpleITK; the real geometry of a public study."""

from __future__ import annotations

import ast
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from bench.imaging.assembly import assemble
from bench.imaging.build import read_series
from bench.imaging.dicom.header import Frame, read_header
from bench.imaging.layout import SeriesFiles
from bench.imaging.slices import Slice
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

ROOT = Path(os.environ.get("BENCH_REAL_DATA", "/nowhere"))
DICOM = ROOT / "dicom"
pytestmark = [
    pytest.mark.skipif(not DICOM.is_dir(), reason="BENCH_REAL_DATA names no folder with files of real scanners"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TEXTS = ("license", "copying", "readme")
FILES = [path for path in sorted(DICOM.rglob("*")) if path.is_file() and not path.name.lower().startswith(TEXTS)]
UNREADABLE = ("GH1339_siemens", "GH340_")
# SimpleITK takes the slope of the first frame for all.
SLOPE_A_FRAME = "philips_dstream_fmap_64frames.dcm"


def read(*paths: Path, description: str = ""):
    """The record of some files as one series, and their values in slice order in the file's own units."""
    files = tuple(str(path.relative_to(DICOM)) for path in paths)
    record, stack = read_series(SeriesFiles(1, 1, description, str(DICOM), files))
    if stack is None:
        return record, None
    slope, intercept = record["mapping"]
    return record, np.stack(stack) * slope + intercept


def test_there_are_87_files_and_85_are_readable():
    assert len(FILES) == 87
    assert sum(path.name.startswith(UNREADABLE) for path in FILES) == 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name[:24]}")
def test_file_gives_the_pixels_of_simpleitk_or_a_named_fault(path):
    sitk = pytest.importorskip("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    started = time.perf_counter()
    record, values = read(path)
    assert time.perf_counter() - started < 1
    if path.name.startswith(UNREADABLE):
        assert values is None
        assert len(record["faults"]) == 1
        return
    assert record["faults"] == []
    if path.name == SLOPE_A_FRAME:
        return
    expected = np.atleast_3d(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    expected = expected.reshape(-1, *values.shape[1:])
    if len(expected) > 1:
        expected = expected[np.array(record["instance_numbers"]) - 1]
    step = record["mapping"][0] if len(record["files"]) > 1 else 1
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-3 * abs(step))


def test_nine_encodings_of_one_slice_are_identical():
    volumes = [
        read_series(SeriesFiles(1, 1, "", str(DICOM), (f"siemens_ts_9encodings/{n}.dcm",))) for n in range(1, 10)
    ]
    assert {record["checksum"] for record, _ in volumes} == {volumes[0][0]["checksum"]}
    assert len({record["dtype"] for record, _ in volumes}) == 1
    assert len({next(iter(record["encodings"])) for record, _ in volumes}) >= 7
    geometry = {(str(record["positions"]), str(record["spacings"])) for record, _ in volumes}
    assert len(geometry) == 1


def test_slope_a_frame_is_applied_frame_by_frame():
    path = DICOM / "enhanced_mr" / SLOPE_A_FRAME
    record, values = read(path)
    ds = pydicom.dcmread(path)
    raw, groups = ds.pixel_array, ds.PerFrameFunctionalGroupsSequence
    slopes = {float(group.PixelValueTransformationSequence[0].RescaleSlope) for group in groups}
    assert len(slopes) == 2
    for index, instance in enumerate(record["instance_numbers"]):
        transformation = groups[instance - 1].PixelValueTransformationSequence[0]
        expected = raw[instance - 1] * float(transformation.RescaleSlope) + float(transformation.RescaleIntercept)
        np.testing.assert_allclose(values[index], expected, atol=0.51 * record["mapping"][0])


@pytest.mark.parametrize("name", ["siemens_prisma_xa30_33frames.dcm", "siemens_vida_xa10_6frames.dcm", SLOPE_A_FRAME])
def test_multi_frame_equals_its_single_frame_kin(name, tmp_path):
    """Every frame written out as a classic file of its own has the same geometry and pixels."""
    path = DICOM / "enhanced_mr" / name
    whole = read_header(path)
    ds = pydicom.dcmread(path)
    raw = ds.pixel_array
    shared = ds.SharedFunctionalGroupsSequence[0]
    for index, group in enumerate(ds.PerFrameFunctionalGroupsSequence):

        def macro(name, group=group):
            return (group.get(name) or shared.get(name))[0]

        single = pydicom.Dataset()
        single.file_meta = pydicom.dataset.FileMetaDataset()
        single.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        single.file_meta.MediaStorageSOPClassUID = single.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        single.file_meta.MediaStorageSOPInstanceUID = single.SOPInstanceUID = f"1.2.{index + 1}"
        single.InstanceNumber = index + 1
        single.ImagePositionPatient = macro("PlanePositionSequence").ImagePositionPatient
        single.ImageOrientationPatient = macro("PlaneOrientationSequence").ImageOrientationPatient
        measures = macro("PixelMeasuresSequence")
        single.PixelSpacing, single.SliceThickness = measures.PixelSpacing, measures.SliceThickness
        single.SamplesPerPixel, single.PhotometricInterpretation, single.PixelRepresentation = 1, "MONOCHROME2", 0
        single.Rows, single.Columns, single.BitsAllocated = ds.Rows, ds.Columns, 16
        single.BitsStored, single.HighBit = ds.BitsStored, ds.HighBit
        single.PixelData = raw[index].tobytes()
        single.save_as(tmp_path / f"{index + 1}.dcm", enforce_file_format=True)
        (kin,) = read_header(tmp_path / f"{index + 1}.dcm").frames
        frame = whole.frames[index]
        np.testing.assert_array_equal(frame.position, kin.position)
        np.testing.assert_array_equal(frame.orientation, kin.orientation)
        np.testing.assert_array_equal(frame.spacing, kin.spacing)
        assert frame.thickness_mm == kin.thickness_mm
    files = tuple(f"{index + 1}.dcm" for index in range(len(raw)))
    kin_record, _ = read_series(SeriesFiles(1, 1, "", str(tmp_path), files))
    record, _ = read(path)
    for key in ("positions", "orientations", "spacings", "shapes", "thickness_mm"):
        assert record[key] == kin_record[key], key


def test_sagittal_stacks_run_from_right_to_left_at_even_steps():
    for folder, step_mm, count in (("ge_hdxt_sag_irspgr_stack", 1.2, 17), ("uih_t1_sag_5slices", 1.0, 5)):
        record, _ = read(*sorted((DICOM / folder).glob("*.dcm"), reverse=True), description=SAGITTAL_T1)
        positions = np.array(record["positions"])
        assert len(positions) == count
        np.testing.assert_allclose(np.linalg.norm(np.diff(positions, axis=0), axis=1), step_mm, atol=0.01)
        assert (np.diff(positions[:, 0]) > 0).all()
        assert record["shapes"][0] == ([512, 460] if folder.startswith("uih") else [256, 256])


def test_public_test_study_lies_in_order_and_projects_levels():
    """The axial slice published as nearest to each disc of study 44036939, and every slice's nearest level."""
    table = pd.read_csv(ROOT / "rsna2024" / "test_44036939_axial_geometry.csv")
    axial = _series(table, AXIAL_T2)
    assert axial.instance_numbers.tolist() == list(range(1, 48))  # from head to foot
    nearest = table[table["closest"] == 1].sort_values("level")
    assert nearest["instance_number"].tolist() == [17, 23, 29, 34, 39]
    study = Study(44036939, (axial,))
    points = []
    for row in nearest.itertuples():
        plane = axial.plane(axial.index_of(row.instance_number))
        point = plane.to_world([128, 140]) + row.dis * plane.normal
        series, index, distance = study.nearest_slice(point, AXIAL_T2)
        assert series.instance_numbers[index] == row.instance_number
        assert distance == pytest.approx(row.dis, abs=1e-5)  # published axes are rounded
        points.append(point)
    distances = np.abs([axial.distances(point) for point in points])  # (5, 47)
    levels = 1 + np.argmin(distances, axis=0)
    published = table.set_index("instance_number")["level"]
    # A slice midway between two discs may go either way.
    midway = np.abs(np.diff(np.sort(distances, axis=0)[:2], axis=0))[0] < 2.2
    agree = levels == published.loc[axial.instance_numbers].to_numpy()
    assert agree[~midway].all()


def test_public_test_study_sagittal_runs_from_right_to_left():
    table = pd.read_csv(ROOT / "rsna2024" / "test_44036939_sagittal_geometry.csv")
    table["ImagePositionPatient"] = table[["x_pos", "y_pos", "z_pos"]].apply(lambda row: str(row.tolist()), axis=1)
    table["ImageOrientationPatient"] = "[0, 1, 0, 0, 0, -1]"
    table["PixelSpacing"], table["H"], table["W"] = "[0.5, 0.5]", 640, 640
    for series_id, rows in table.groupby("series_id"):
        description = SAGITTAL_T1 if series_id == 2828203845 else SAGITTAL_T2
        series = _series(rows.sample(frac=1, random_state=0), description)
        assert series.instance_numbers.tolist() == list(range(25, 0, -1))
        assert (np.diff(series.positions[:, 0]) > 0).all()


def _series(table: pd.DataFrame, description: str):
    slices = []
    for row in table.itertuples():
        orientation = np.array(ast.literal_eval(row.ImageOrientationPatient)).reshape(2, 3)
        frame = Frame(
            rows=row.H, columns=row.W, position=np.array(ast.literal_eval(row.ImagePositionPatient)),
            orientation=orientation, spacing=np.array(ast.literal_eval(row.PixelSpacing)),
            thickness_mm=4.0, slope=1.0, intercept=0.0, echo_time_ms=float("nan"),
        )  # fmt: skip
        slices.append(Slice(f"{row.instance_number}.dcm", 0, row.instance_number, frame))
    return assemble(44036939, int(table["series_id"].iloc[0]), description, slices).series
