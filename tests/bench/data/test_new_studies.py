from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from bench.data.new_studies import Found, find_studies
from bench.data.new_volumes import read_studies
from bench.errors import DataError, UsageError
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2, SERIES_DESCRIPTIONS

SAGITTAL, AXIAL = [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]
ECHO_MS = {SAGITTAL_T1: 12.0, SAGITTAL_T2: 95.0, AXIAL_T2: 95.0}


def find(folder: Path) -> Found:
    return find_studies(folder, jobs=1, progress=lambda *_: None)


def kinds(found: Found) -> dict[str, list[str]]:
    return {study.name: sorted(series.description for series in study.series) for study in found.studies}


@pytest.fixture
def write(write_slice: Callable, tmp_path: Path) -> Callable[..., Path]:
    """Write a series of three slices with echo times into a folder of any name."""

    def series(where: str, kind: str, uid: str, patient: str = "A", number: int = 1, **tags: object) -> Path:
        axial = kind == AXIAL_T2
        for instance in (1, 2, 3):
            step = 4.0 * instance
            write_slice(
                tmp_path / "mr" / where / f"IM{number}{instance}",
                position=[-8, -20, 60 - step] if axial else [step, -20, 60],
                orientation=AXIAL if axial else SAGITTAL,
                study_id=7, series_id=number, instance=instance,
                **{
                    "StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.{number}", "PatientID": patient,
                    "SeriesDescription": "", "EchoTime": ECHO_MS[kind], "Modality": "MR", **tags,
                },
            )  # fmt: skip
        return tmp_path / "mr"

    return series


def test_any_folder_is_told_apart_by_identifiers_whatever_its_nesting(write: Callable) -> None:
    write("a/b/c", SAGITTAL_T1, "1.2.3", number=1)
    write("elsewhere", SAGITTAL_T2, "1.2.3", number=2)
    write("a/b/c", AXIAL_T2, "1.2.3", number=3)
    folder = write("a", SAGITTAL_T2, "1.2.4", number=1)
    found = find(folder)
    assert kinds(found) == {"1.2.3": sorted(SERIES_DESCRIPTIONS), "1.2.4": [SAGITTAL_T2]}
    assert found.faults == ()
    second = next(study for study in found.studies if study.name == "1.2.4")
    assert "no Axial T2 series" in second.notes
    assert any("taken as Sagittal T2/STIR (sagittal T2 by echo time 95 ms)" in note for note in second.notes)


def test_patients_under_one_study_uid_are_two_studies(write: Callable) -> None:
    write("one", SAGITTAL_T2, "1.2.3", patient="A")
    found = find(write("two", SAGITTAL_T2, "1.2.3", patient="B"))
    assert [study.name for study in found.studies] in (
        ["1.2.3 of A", "1.2.3 of B"],
        ["1.2.3 of B", "1.2.3 of A"],
    )
    assert len({study.study_id for study in found.studies}) == 2


def test_without_a_study_uid_the_patient_counts(write: Callable) -> None:
    write("x", SAGITTAL_T2, "9", patient="A", StudyInstanceUID=None)
    write("y", SAGITTAL_T1, "9", patient="A", number=2, StudyInstanceUID=None)
    found = find(write("z", SAGITTAL_T2, "9", patient="B", number=3, StudyInstanceUID=None))
    assert kinds(found) == {"A": [SAGITTAL_T1, SAGITTAL_T2], "B": [SAGITTAL_T2]}


def test_series_numbers_are_unique_over_studies_since_they_name_files(write: Callable, tmp_path: Path) -> None:
    write("x", SAGITTAL_T2, "1.2.3", number=5)
    found = find(write("y", SAGITTAL_T2, "1.2.4", number=5))
    numbers = [series.series_id for study in found.studies for series in study.series]
    assert len(set(numbers)) == 2
    read = read_studies(found.studies, tmp_path / "volumes", jobs=1, progress=lambda *_: None)
    assert [study.study_id for study in read.studies] == [study.study_id for study in found.studies]
    assert read.volumes.array(numbers[0]).shape == (3, 32, 32)


def test_what_is_no_mr_is_ignored_and_named(write: Callable) -> None:
    folder = write("x", SAGITTAL_T2, "1.2.3")
    write("ct", AXIAL_T2, "1.2.3", number=2, Modality="CT")
    (folder / "letter.txt").write_text("Dear colleague")
    (folder / "cut.dcm").write_bytes(b"\0" * 40)
    found = find(folder)
    assert kinds(found) == {"1.2.3": [SAGITTAL_T2]}
    assert {fault.path for fault in found.faults} == {"letter.txt", "cut.dcm"}
    assert "series in ct is not used: no MR: modality CT" in found.studies[0].notes


def test_a_folder_without_any_mr_says_what_is_there(write: Callable, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    with pytest.raises(DataError, match="holds no MR image"):
        find(tmp_path / "texts")
    (tmp_path / "texts" / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"holds no MR image \(1 files cannot be used; a.txt is not a DICOM file"):
        find(tmp_path / "texts")
    with pytest.raises(DataError, match=r"series are of other kinds .*no MR: modality CT"):
        find(write("ct", AXIAL_T2, "1.2.3", Modality="CT"))


def test_a_wrong_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        find(tmp_path / "none")
    (tmp_path / "one.dcm").write_bytes(b"")
    with pytest.raises(UsageError, match="that is a file"):
        find(tmp_path / "one.dcm")


@pytest.fixture
def competition(write_slice: Callable, tmp_path: Path) -> Path:
    """Two studies in the competition's layout, without the table of series."""
    for study in (20, 7):
        for number, kind in enumerate(SERIES_DESCRIPTIONS, start=1):
            for instance in (1, 2):
                write_slice(
                    tmp_path / "test_images" / str(study) / str(study * 10 + number) / f"{instance}.dcm",
                    position=[-8, -20, -4.0 * instance] if kind == AXIAL_T2 else [4.0 * instance, 0, 0],
                    orientation=AXIAL if kind == AXIAL_T2 else SAGITTAL,
                    study_id=study, series_id=study * 10 + number, instance=instance, SeriesDescription="",
                    EchoTime=ECHO_MS[kind],
                )  # fmt: skip
    return tmp_path


def test_the_competitions_layout_goes_by_its_table(competition: Path) -> None:
    rows = [
        f"{study},{study * 10 + number},{kind}" for study in (7, 20) for number, kind in ((1, AXIAL_T2), (2, AXIAL_T2))
    ]
    table = competition / "test_series_descriptions.csv"
    table.write_text("\n".join(["study_id,series_id,series_description", *rows]) + "\n")
    for named in (competition, competition / "test_images"):
        found = find(named)
        assert [study.study_id for study in found.studies] == [7, 20]
        assert kinds(found)["7"] == [AXIAL_T2, AXIAL_T2]  # as the table says, whatever the files look like
        assert "series 73 is not used: test_series_descriptions.csv does not list it" in found.studies[0].notes


def test_without_the_table_kinds_come_from_the_files_and_numbers_from_the_folders(competition: Path) -> None:
    found = find(competition)
    assert [study.study_id for study in found.studies] == [7, 20]
    assert kinds(found) == dict.fromkeys(("7", "20"), sorted(SERIES_DESCRIPTIONS))
    assert {series.series_id for series in found.studies[0].series} == {71, 72, 73}


def test_the_unlabelled_images_come_first_and_an_unreadable_study_stays(competition: Path) -> None:
    (competition / "train_images" / "1").mkdir(parents=True)
    for path in (competition / "test_images" / "7").rglob("*.dcm"):
        path.write_bytes(b"broken")
    found = find(competition)
    assert [study.study_id for study in found.studies] == [7, 20]
    assert found.studies[0].series == ()
    assert any("broken" not in note and "is not a DICOM file" in note for note in found.studies[0].notes)


def test_reading_notes_what_cannot_be_read(competition: Path, tmp_path: Path) -> None:
    path = competition / "test_images" / "7" / "71" / "1.dcm"
    found = find(competition)
    ds = pydicom.dcmread(path)
    ds.PixelData = ds.PixelData[:50]
    ds.save_as(path)
    os.truncate(competition / "test_images" / "7" / "72" / "1.dcm", 300)
    os.truncate(competition / "test_images" / "7" / "72" / "2.dcm", 300)
    read = read_studies(found.studies, tmp_path / "volumes", jobs=1, progress=lambda *_: None)
    seven = read.studies[0]
    assert [len(series) for series in seven.series if series.series_id == 71] == [1]
    assert 72 not in {series.series_id for series in seven.series}
    notes = " | ".join(read.notes[7])
    assert "71/1.dcm" in notes
    assert "series 72 cannot be read" in notes
    assert seven.notes == read.notes[7]
