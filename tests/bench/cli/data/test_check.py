"""`bench data check` on folders with tables and without."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from bench.cli import main
from bench.targets import SERIES_DESCRIPTIONS, TARGET_NAMES


def write_slice(path: Path, study: str, series: str, position, orientation, **tags) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{series}.{tags.get('InstanceNumber', 1)}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing = position, orientation, [0.5, 0.5]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 16, 12, 11
    ds.PixelData = np.arange(256, dtype=np.uint16).tobytes()
    for tag, value in tags.items():
        setattr(ds, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path):
    """One study in the competition's layout."""
    root = tmp_path / "data"
    for number, kind in enumerate(SERIES_DESCRIPTIONS, start=1):
        for instance in (1, 2, 3):
            sagittal = kind.startswith("Sagittal")
            write_slice(
                root / f"train_images/7/{number}/{instance}.dcm", "7", f"7.{number}",
                [4 * instance, 0, 0] if sagittal else [0, 0, -4 * instance],
                [0, 1, 0, 0, 0, -1] if sagittal else [1, 0, 0, 0, 1, 0],
                InstanceNumber=instance,
            )  # fmt: skip
    (root / "train.csv").write_text("study_id," + ",".join(TARGET_NAMES) + "\n7" + ",Normal/Mild" * 25 + "\n")
    rows = [f"7,{number},{kind}" for number, kind in enumerate(SERIES_DESCRIPTIONS, start=1)]
    (root / "train_series_descriptions.csv").write_text("\n".join(["study_id,series_id,series_description", *rows]))
    (root / "train_label_coordinates.csv").write_text(
        "study_id,series_id,instance_number,condition,level,x,y\n7,2,3,Spinal Canal Stenosis,L1/L2,4.5,4.5\n"
    )
    return root


def run(capsys, *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["data", "check", *map(str, arguments)])
    return exit_.value.code or 0, capsys.readouterr().out


def test_sound_folder(folder, capsys):
    code, out = run(capsys, folder, "--json", "--jobs", 1)
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == 1
    assert (document["studies"], document["series"], document["slices"]) == (1, 3, 9)
    assert document["series_by_kind"] == dict.fromkeys(SERIES_DESCRIPTIONS, 1)
    assert document["sizes"] == {"16 x 16": 9}
    assert document["encodings"] == {"1.2.840.10008.1.2.1": 9}
    assert document["slice_distance_mm"]["median"] == 4
    assert document["faults"] == []
    assert document["tables"] == {"studies": 1, "labels": 25, "missing_labels": 0, "points": 1}
    code, out = run(capsys, folder, "--jobs", 1)
    assert code == 0
    assert "no faults" in out


def test_faults_have_path_what_and_effect_and_exit_code_1(folder, capsys):
    (folder / "train_images/7/2/3.dcm").write_bytes(b"")
    shutil.rmtree(folder / "train_images/7/3")
    code, out = run(capsys, folder, "--json", "--jobs", 2)
    faults = json.loads(out)["faults"]
    assert code == 1
    assert all({"path", "what", "effect"} <= set(fault) for fault in faults)
    found = {fault["path"]: fault for fault in faults}
    assert "is in the series table" in found["train_images/7/3"]["what"]
    texts = [fault["what"] for fault in faults if fault["path"] == "train_images/7/2/3.dcm"]
    assert any("empty" in text for text in texts)
    assert any("carries the point of Spinal Canal Stenosis L1/L2" in text for text in texts)
    code, out = run(capsys, folder, "--jobs", 1)
    assert code == 1
    assert "faults (3)" in out


def test_wrong_table_is_a_fault_and_images_are_read_all_the_same(folder, capsys):
    (folder / "train.csv").write_text("study_id\n")
    code, out = run(capsys, folder, "--json", "--jobs", 1)
    document = json.loads(out)
    assert code == 1
    assert document["slices"] == 9
    assert "lacks the column" in document["faults"][0]["what"]


def test_published_faults_are_told_by_id(tmp_path, capsys, folder):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from bench.dataset import DataSet\n"
        "class Mine(DataSet):\n"
        "    def locate(self, **options): ...\n"
        "    def known_faults(self): return {3: 'upside down', 99: 'not here'}\n"
    )
    _, out = run(capsys, folder, "--json", "--jobs", 1, "--plugin", plugin)
    assert json.loads(out)["known_faults"] == [{"id": 3, "what": "upside down"}]


def test_folder_of_ones_own_without_tables(tmp_path, capsys):
    root = tmp_path / "mine"
    for series, orientation, echo, name in (
        ("1.5", [0, 1, 0, 0, 0, -1], 10.0, "sag t1"),
        ("1.6", [0, 1, 0, 0, 0, -1], 100.0, ""),
        ("1.7", [1, 0, 0, 0, 1, 0], 100.0, ""),
        ("1.8", [1, 0, 0, 0, 0, -1], 100.0, "localizer"),
    ):
        for instance in (1, 2, 3):
            position = [4 * instance, 4 * instance, 4 * instance]
            write_slice(root / "all" / f"{series}-{instance}", "1", series, position, orientation, EchoTime=echo,
                        InstanceNumber=instance, SeriesDescription=name)  # fmt: skip
    (root / "notes.txt").write_text("hello")
    (root / "loop").symlink_to(root)
    code, out = run(capsys, root, "--json", "--jobs", 1)
    document = json.loads(out)
    assert document["layout"] == "own"
    assert document["series_by_kind"] == {**dict.fromkeys(SERIES_DESCRIPTIONS, 1), "other": 1}
    assert document["slices"] == 12
    assert [fault["path"] for fault in document["faults"]] == ["notes.txt"]
    assert code == 0
    assert any("a localiser by its name" in note["what"] for note in document["notes"])


@pytest.mark.parametrize("what", ["absent", "empty", "folders alone"])
def test_nothing_to_check(tmp_path, capsys, what):
    if what != "absent":
        (tmp_path / "x" / ("deep" if what == "folders alone" else "")).mkdir(parents=True)
    code, out = run(capsys, tmp_path / "x")
    assert code == (2 if what == "absent" else 1)
    assert out == ""


def test_files_of_real_scanners(capsys):
    root = os.environ.get("BENCH_REAL_DATA")
    if not root:
        pytest.skip("BENCH_REAL_DATA names no folder with files of real scanners")
    code, out = run(capsys, Path(root) / "dicom", "--json")
    document = json.loads(out)
    assert code == 1
    lost = {Path(fault["path"]).name[:6] for fault in document["faults"] if not fault["usable"]}
    assert lost == {"GH1339", "GH340_"}
    copies = [fault for fault in document["faults"] if "is a copy of" in fault["what"]]
    assert len(copies) == 12  # four slices that a folder holds in four encodings
    assert document["slices"] == 185 - len(copies)
    assert len(document["encodings"]) >= 7
    assert pydicom.uid.RLELossless in document["encodings"]
