"""`bench.data.load` from files to cohort, on small folders written here."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.load import open_dataset
from bench.dataset import DataSet
from bench.errors import DataError, UsageError
from bench.targets import AXIAL_T2, SAGITTAL_T2, TARGET_NAMES


class Plain(DataSet):
    def locate(self, **_):
        raise NotImplementedError

    def excluded_studies(self):
        return {3: "excluded on purpose"}

    def known_faults(self):
        return {2: "somebody said so", 23: "a series"}


@pytest.fixture
def opened(data, tmp_path):
    for study, flip in ((1, False), (2, True), (3, False)):
        data.study(study, left_to_right=flip)
    data.tables([1, 2, 3], TARGET_NAMES)
    return lambda: open_dataset(Plain(), data.root, tmp_path / "cache", 1, lambda *_: None)


def test_opens_studies_in_anatomical_order_with_their_pixels(opened, data):
    result = opened()
    assert result.cohort.study_ids.tolist() == [1, 2]
    assert result.exclusions == {3: "excluded on purpose"}
    assert result.faults == ()
    for study in result.cohort.studies:
        (series,) = study.of(SAGITTAL_T2)
        assert (np.diff(series.positions[:, 0]) > 0).all()
        assert series.instance_numbers.tolist() == ([1, 2, 3, 4] if study.study_id == 1 else [4, 3, 2, 1])
        (axial,) = study.of(AXIAL_T2)
        assert (np.diff(axial.positions[:, 2]) < 0).all()
        for one in study.series:
            volume = result.volumes.array(one.series_id)
            assert volume.shape == (4, 32, 32)
            assert volume.dtype == np.uint16
            for index, instance in enumerate(one.instance_numbers):
                np.testing.assert_array_equal(volume[index], data.pixels[one.series_id, instance])
    assert result.cohort.studies[1].notes == (
        "published fault of 2: somebody said so",
        "published fault of 23: a series",
    )
    assert result.cohort.grades.shape == (2, 25)
    assert len(result.cohort.points) == 10


def test_second_opening_starts_no_worker(opened, monkeypatch):
    first = opened()
    monkeypatch.setattr("bench.imaging.preparation.run_isolated", lambda *_, **__: pytest.fail("read again"))
    second = opened()
    assert second.data_hash == first.data_hash
    np.testing.assert_array_equal(second.volumes.array(11), first.volumes.array(11))


def test_broken_files_are_named_and_the_rest_stays(opened, data):
    data.file(1, 12, 2).write_bytes(b"")
    for instance in range(1, 5):
        data.file(2, 23, instance).write_bytes(b"nothing of the kind" * 20)
    result = opened()
    assert result.cohort.study_ids.tolist() == [1, 2]
    assert len(result.cohort.studies[0].get(12)) == 3
    assert result.cohort.studies[1].axial_t2 == ()
    assert any("12/2.dcm" in fault.path and "empty" in fault.what for fault in result.faults)
    assert sum(fault.series_id == 23 and "not a DICOM file" in fault.what for fault in result.faults) == 4
    # The canal points of study 1 lay on the empty slice.
    assert [fault.path for fault in result.faults if "carries 5 points" in fault.what] == ["train_images/1/12/2.dcm"]
    assert len(result.cohort.points) == 5


def test_points_that_cannot_be_right_are_named_and_left_out(opened, data):
    lines = (data.root / "train_label_coordinates.csv").read_text().splitlines()
    lines[1] = "1,12,2,Spinal Canal Stenosis,L1/L2,5000,0"
    lines[2] = "1,12,2,Spinal Canal Stenosis,L2/L3,3,-30"
    lines[3] = "1,11,2,Spinal Canal Stenosis,L3/L4,3,3"
    lines[4] = "1,12,2,Spinal Canal Stenosis,L4/L5,31.4,-0.4"  # at the border, yet inside
    data.write("train_label_coordinates.csv", lines)
    result = opened()
    kind, outside = sorted(result.faults, key=lambda fault: fault.series_id)
    assert outside.path == kind.path.replace("/11/", "/12/") == "train_images/1/12/2.dcm"
    assert outside.what == (
        "carries the point of Spinal Canal Stenosis L1/L2, but (5000.0, 0.0) lies outside the 32 x 32 image "
        "(and 1 more of its points)"
    )
    assert kind.what == (
        "carries the point of Spinal Canal Stenosis L3/L4, but series 11 is Sagittal T1, not Sagittal T2/STIR"
    )
    assert not outside.usable
    assert result.cohort.points["level"].tolist()[:2] == ["L4/L5", "L5/S1"]
    assert len(result.cohort.points) == 7
    assert result.cohort.studies[0].notes == ()  # which an approach sees; it must not learn of held-out points


def test_what_was_left_out_is_among_the_notes_of_its_study(opened, data):
    for instance in (1, 2, 3):
        data.file(1, 11, instance).write_bytes(b"")
    first, second = opened().cohort.studies
    assert first.notes == ("train_images/1/11/1.dcm: is empty (0 bytes); this slice is left out (and 2 more like it)",)
    assert not any("empty" in note for note in second.notes)


def test_study_without_images_is_left_out_with_its_reason(opened, data):
    import shutil

    shutil.rmtree(data.root / "train_images" / "2")
    result = opened()
    assert result.cohort.study_ids.tolist() == [1]
    assert "no such folder" in result.exclusions[2]


@pytest.mark.parametrize("what", ["absent", "empty", "no images", "empty images"])
def test_folder_that_is_no_data_set(opened, data, what):
    import shutil

    if what in ("absent", "empty"):
        shutil.rmtree(data.root)
    if what == "empty":
        data.root.mkdir()
    if what in ("no images", "empty images"):
        shutil.rmtree(data.root / "train_images")
    if what == "empty images":
        (data.root / "train_images").mkdir()
    with pytest.raises(UsageError if what == "absent" else DataError, match=r"--data|unpacked|Name the folder"):
        opened()
