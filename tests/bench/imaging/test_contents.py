"""Changed contents are found, whatever sizes and names say; a copy of a folder is the same data."""

from __future__ import annotations

import os
import shutil
import time

import numpy as np
import pytest

from bench.data.load import open_dataset
from bench.dataset import DataSet
from bench.imaging.contents import read_contents
from bench.imaging.layout import scan
from bench.targets import TARGET_NAMES


class Plain(DataSet):
    def locate(self, **_):
        raise NotImplementedError


@pytest.fixture
def opened(data, tmp_path):
    """Open the data, whose files were written an hour ago, or another folder with them."""
    for study in (1, 2):
        data.study(study)
    data.tables([1, 2], TARGET_NAMES)
    age(data.root)

    def run(root=data.root, **options):
        return open_dataset(Plain(), root, tmp_path / "cache", 1, lambda *_: None, **options)

    return run


@pytest.fixture
def reads(monkeypatch):
    """The files whose contents are read."""
    from bench.imaging import contents

    found, original = [], contents._file_digest
    monkeypatch.setattr(contents, "_file_digest", lambda path: found.append(path.name) or original(path))
    return found


def age(root, seconds=3600):
    before = time.time() - seconds
    for path in root.rglob("*.dcm"):
        os.utime(path, (before, before))


def blacken(path, *, keep_time=False):
    """Another picture of the same size in bytes."""
    status = path.stat()
    blob = bytearray(path.read_bytes())
    blob[-40:-20] = bytes(byte ^ 0x55 for byte in blob[-40:-20])
    path.write_bytes(blob)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_pixels_changed_in_place_change_data_and_cache(opened, data, write_slice):
    write_slice(data.file(1, 11, 1), study_id=1, series_id=11, position=(-8, -20, 60), rle=False)
    before = opened()
    old = np.array(before.volumes.array(11))
    size = data.file(1, 11, 1).stat().st_size
    write_slice(
        data.file(1, 11, 1), study_id=1, series_id=11, position=(-8, -20, 60), rle=False,
        pixels=np.zeros((32, 32), dtype=np.uint16),
    )  # fmt: skip
    assert data.file(1, 11, 1).stat().st_size == size
    after = opened()
    assert after.data_hash != before.data_hash
    assert not after.volumes.array(11)[0].any()
    np.testing.assert_array_equal(before.volumes.array(11), old)  # which other runs may still read
    assert [(fault.path, fault.what) for fault in after.mended] == [
        ("train_images/1/11", "changed since the cache was made")
    ]
    assert opened().mended == ()
    for series_id in (12, 13, 21, 22, 23):  # taken over, not read again
        paths = [folder / f"{series_id}.npy" for folder in (before.volumes.folder, after.volumes.folder)]
        assert os.path.samefile(*paths)


def test_contents_that_return_find_their_cache(opened, data):
    first = opened()
    good = data.file(1, 11, 2).read_bytes()
    blacken(data.file(1, 11, 2))
    assert opened().data_hash != first.data_hash
    data.file(1, 11, 2).write_bytes(good)
    again = opened()
    assert (again.data_hash, again.volumes.folder) == (first.data_hash, first.volumes.folder)


def test_a_copy_of_the_folder_is_the_same_data(opened, data, tmp_path, monkeypatch):
    first = opened()
    shutil.copytree(data.root, tmp_path / "copy")
    monkeypatch.setattr("bench.imaging.preparation.run_isolated", lambda *_, **__: pytest.fail("read again"))
    copy = opened(tmp_path / "copy")
    assert copy.data_hash == first.data_hash
    assert copy.volumes.folder == first.volumes.folder


def test_two_folders_that_differ_in_contents_alone_have_a_cache_each(opened, data, tmp_path):
    first = opened()
    pixels = np.array(first.volumes.array(11))
    shutil.copytree(data.root, tmp_path / "copy")
    blacken(tmp_path / "copy" / "train_images" / "1" / "11" / "2.dcm")
    copy = opened(tmp_path / "copy")
    assert copy.volumes.folder != first.volumes.folder
    assert opened().volumes.folder == first.volumes.folder
    np.testing.assert_array_equal(opened().volumes.array(11), pixels)


def test_contents_are_read_only_where_a_sign_changed(opened, data, reads):
    opened()
    assert len(reads) == 24
    reads.clear()
    opened()
    assert reads == []
    age(data.file(1, 12, 1).parent, 60)
    opened()
    assert sorted(reads) == ["1.dcm", "2.dcm", "3.dcm", "4.dcm"]


def test_verify_reads_all_and_finds_what_times_hide(opened, data, reads):
    first = opened()
    blacken(data.file(1, 11, 2), keep_time=True)
    assert opened().data_hash == first.data_hash  # a sign is no proof
    reads.clear()
    verified = opened(verify=True)
    assert len(reads) == 24
    assert verified.data_hash != first.data_hash
    assert [fault.path for fault in verified.mended] == ["train_images/1/11"]
    assert opened().data_hash == verified.data_hash


def test_a_file_that_was_just_written_is_read_again(opened, data, reads):
    opened()
    data.file(1, 11, 1).touch()
    opened()
    reads.clear()
    opened()
    assert len(reads) == 4


def test_unreadable_files_are_looked_at_again(opened, data, reads):
    path = data.file(1, 11, 1)
    path.unlink()
    path.symlink_to("nowhere")
    age(data.root / "train_images" / "2")
    first = opened()
    path.unlink()
    path.write_bytes(b"")
    os.utime(path, (0, 0))
    assert opened().data_hash != first.data_hash


@pytest.mark.parametrize("memory", ["gone", "damaged", "wrong shape", "unwritable"])
def test_without_its_memory_contents_are_read_again(opened, tmp_path, reads, memory):
    first = opened()
    (path,) = (tmp_path / "cache" / "contents").iterdir()
    if memory in ("gone", "unwritable"):
        path.unlink()
    if memory == "unwritable":
        path.mkdir()
    if memory == "damaged":
        path.write_bytes(path.read_bytes().replace(b"1/11", b"1/12"))
    if memory == "wrong shape":
        path.write_text('{"schema_version": 1, "series": {"1": "x"}}')
    reads.clear()
    again = opened()
    assert again.data_hash == first.data_hash
    assert len(reads) == 24
    assert [fault.path for fault in again.mended] == ([] if memory == "gone" else [str(path)])
    assert all("images are hashed again" in fault.effect for fault in again.mended)
    assert opened().mended == ()


def test_a_cache_of_an_earlier_version_is_kept_while_it_is_younger_than_its_files(opened, data, monkeypatch):
    from bench.imaging.cache import read_index, read_record, write_index, write_series

    folder = opened().volumes.folder
    for series_id, record in read_index(folder).items():
        del record["contents"]
        write_series(folder, record, None)
        assert "contents" not in read_record(folder, series_id)
    write_index(folder, {series: read_record(folder, series) for series in (11, 12, 13, 21, 22, 23)})
    with monkeypatch.context() as patch:
        patch.setattr("bench.imaging.preparation.run_isolated", lambda *_, **__: pytest.fail("read again"))
        assert opened().volumes.folder == folder
    assert opened(verify=True).volumes.folder == folder  # which trusts no such record
    assert "contents" in read_record(folder, 11)


def test_contents_of_some_series_alone(data, tmp_path, reads):
    data.study(1)
    layout = scan(data.root)
    some = read_contents(layout, tmp_path / "cache", jobs=2, progress=lambda *_: None, only=[(1, 12)])
    assert list(some.series) == [(1, 12)]
    assert len(reads) == 4
