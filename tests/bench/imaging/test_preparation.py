"""The cache survives kills, company, damage and a limit on its size; bad files are named and nothing else is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from bench.errors import DataError
from bench.imaging.build import CacheUnwritable, build_series
from bench.imaging.cache import read_record
from bench.imaging.held import volume_folder
from bench.imaging.layout import SeriesFiles, scan
from bench.imaging.preparation import prepare
from bench.targets import SAGITTAL_T1, TARGET_NAMES

SCRIPT = """
if __name__ == "__main__":
    import sys, pandas as pd
    from pathlib import Path
    from bench.imaging.preparation import prepare
    root, cache = map(Path, sys.argv[1:3])
    table = pd.read_csv(root / "train_series_descriptions.csv")
    say = lambda what, done, total: print(what, done, total, flush=True)
    prepared = prepare(root, table, cache=cache, jobs=2, progress=say)
    print("ready", len(prepared.studies), len(prepared.faults), flush=True)
"""


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def prepared(data, cache):
    """Prepare `data` now."""

    def run(**options):
        table = pd.read_csv(data.root / "train_series_descriptions.csv")
        return prepare(data.root, table, cache=cache, jobs=1, progress=lambda *_: None, **options)

    return run


def write(data, studies: int, slices: int = 4) -> None:
    for study in range(1, studies + 1):
        data.study(study, slices=slices)
    data.tables(range(1, studies + 1), TARGET_NAMES)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".npy", ".json")}


def test_killed_at_any_moment_goes_on_and_ends_the_same(data, tmp_path, cache):
    write(data, 6)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(data.root)]
    whole = tmp_path / "whole"
    assert "ready 6 0" in subprocess.run([*command, str(whole)], capture_output=True, text=True, check=True).stdout
    for wanted in (1, 9):
        with subprocess.Popen([*command, str(cache)], stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.startswith("reading images") and int(line.split()[2]) >= wanted:
                    process.kill()
                    break
    target = volume_folder(cache, scan(data.root))
    assert not (target / "index.json").exists()
    time.sleep(0.5)  # the workers notice that they are alone
    kept = {path.name: path.stat().st_mtime_ns for path in target.glob("*.npy")}
    assert len(kept) >= 9
    assert "ready 6 0" in subprocess.run([*command, str(cache)], capture_output=True, text=True, check=True).stdout
    assert contents(target) == contents(volume_folder(whole, scan(data.root)))
    assert all((target / name).stat().st_mtime_ns == when for name, when in kept.items())
    assert not list(target.glob(".*.tmp"))


def test_two_at_once_share_one_cache(data, tmp_path, cache):
    write(data, 4)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(data.root), str(cache)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert "ready 4 0" in out
    assert len(list(volume_folder(cache, scan(data.root)).glob("*.npy"))) == 12


def test_label_correction_keeps_the_volumes(data, prepared):
    write(data, 1)
    first = prepared().volumes.folder
    data.tables([1], TARGET_NAMES, severity="Severe")
    assert prepared().volumes.folder == first


def test_changed_image_makes_another_cache(data, prepared, write_slice):
    write(data, 1)
    first = prepared().volumes.folder
    write_slice(data.file(1, 11, 9), study_id=1, series_id=11, instance=9, position=(30, -20, 60))
    second = prepared()
    assert second.volumes.folder != first
    assert len(second.studies[0].get(11)) == 5


def changed(path, at=-1, mask=1):
    """Flip a bit of a file, its size and time kept."""
    status = path.stat()
    blob = bytearray(path.read_bytes())
    blob[at] ^= mask
    path.write_bytes(blob)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_damage_in_the_cache_is_mended(data, prepared):
    write(data, 2)
    volumes = prepared().volumes
    good = np.array(volumes.array(12))
    path = volumes.folder / "12.npy"
    path.write_bytes(path.read_bytes()[:-5])  # cut short: seen by its size
    np.testing.assert_array_equal(prepared().volumes.array(12), good)
    (volumes.folder / "index.json").write_text("{")
    (volumes.folder / "13.json").unlink()
    np.testing.assert_array_equal(prepared().volumes.array(12), good)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    ("name", "at", "mask"),
    [("12.npy", -1, 1), ("12.npy", 21, 2), ("12.npy", 22, 1), ("12.npy", 5, 1), ("index.json", 400, 1)],
    ids=["pixels", "byte order", "type", "mark", "index"],
)
def test_a_flipped_bit_is_named_and_mended(data, prepared, verify, name, at, mask):
    write(data, 1)
    folder = prepared().volumes.folder
    before = contents(folder)
    changed(folder / name, at, mask)
    result = prepared(verify=verify)
    assert [(fault.path, fault.effect) for fault in result.mended] == [
        (str(folder / name), "it is made from the images again")
    ]
    assert contents(folder) == before
    assert prepared(verify=True).mended == ()


def test_a_flipped_bit_in_a_record_is_seen_before_it_is_used(data, prepared):
    write(data, 1)
    folder = prepared().volumes.folder
    before = contents(folder)
    (folder / "index.json").unlink()
    changed(folder / "12.json", 300)
    prepared()
    assert contents(folder) == before


DAMAGES = {
    "flip": lambda path: changed(path, 200),
    "truncate": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "wrong shape": lambda path: path.write_bytes(b'{"schema_version": 1}'),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["12.npy", "12.json", "index.json"])
def test_a_start_names_damage_to_any_file_of_a_small_cache_and_makes_it_anew(data, prepared, name, damage):
    write(data, 1)
    folder = prepared().volumes.folder
    before = contents(folder)
    damage(folder / name)
    (fault,) = prepared().mended
    assert fault.path in (str(folder / name), str(folder / "12.npy"))
    assert (fault.what.startswith("was damaged in the cache"), fault.usable) == (True, True)
    assert contents(folder) == before
    assert prepared().mended == ()


def test_damage_that_cannot_be_taken_out_is_named_with_the_cure(data, prepared):
    write(data, 1)
    folder = prepared().volumes.folder
    (folder / "12.json").unlink()
    (folder / "12.json" / "of another").mkdir(parents=True)
    with pytest.raises(DataError, match=r"12\.json was damaged .* cannot be taken out .*Remove it, .* --cache-dir"):
        prepared()


def test_at_every_start_some_volumes_are_compared(data, prepared, monkeypatch):
    write(data, 2)
    seen = []
    prepared()
    monkeypatch.setattr("bench.imaging.held.SAMPLE", 2)
    monkeypatch.setattr("bench.imaging.held.SAMPLE_BYTES", 0)
    monkeypatch.setattr("bench.imaging.held.is_whole", lambda _, record: seen.append(record["series_id"]) or True)
    for _ in range(20):
        prepared()
    assert len(seen) == 40
    assert set(seen) == {11, 12, 13, 21, 22, 23}
    seen.clear()
    prepared(verify=True)
    assert sorted(seen) == [11, 12, 13, 21, 22, 23]


def test_cache_never_outgrows_its_limit(data, prepared, cache):
    write(data, 4, slices=16)
    with pytest.raises(DataError, match=r"grow beyond 0\.0002 GB: .* --max-gb"):
        prepared(most_gb=0.0002)
    target = volume_folder(cache, scan(data.root))
    assert 0 < sum(path.stat().st_size for path in target.iterdir()) <= 200_000
    assert len(prepared(most_gb=0.01).studies) == 4


def test_cache_that_cannot_be_made_is_one_clear_error(data, prepared, cache):
    write(data, 1)
    target = volume_folder(cache, scan(data.root))
    target.parent.mkdir(parents=True)
    target.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot be written: .*File exists.*--cache-dir"):
        prepared()


def test_full_disk_stops_with_one_clear_error(data, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    write(data, 1)
    monkeypatch.setattr("bench.imaging.build.write_series", full)
    task = SeriesFiles(1, 11, SAGITTAL_T1, str(data.root), ("train_images/1/11/1.dcm",))
    with pytest.raises(CacheUnwritable, match=r"No space left on device.*--cache-dir.*finished series are kept"):
        build_series(task, str(tmp_path))


def test_bad_files_are_named_and_nothing_else_is_lost(data, prepared, tmp_path):
    write(data, 2, slices=6)
    file = lambda instance: data.file(1, 11, instance)  # noqa: E731
    file(1).write_bytes(b"")
    whole = file(2).read_bytes()
    file(2).write_bytes(whole[: len(whole) // 2])
    file(3).write_bytes(os.urandom(4000))
    file(4).unlink()
    file(4).symlink_to(file(4))
    shutil.copy(file(5), file(5).with_suffix(".jpg"))
    file(5).unlink()
    file(6).unlink()
    file(6).mkdir()
    (data.root / "train_images" / "1" / "11" / "readme.txt").write_text("hello")
    (data.root / "train_images" / "1" / "a%2f..%2fescape").mkdir()
    (data.root / "train_images" / "notes").mkdir()
    (data.root / "train_images" / "1" / "12" / "loop").symlink_to(data.root / "train_images" / "1")
    result = prepared()
    faults = {fault.path.removeprefix("train_images/"): fault for fault in result.faults}
    assert "empty" in faults["1/11/1.dcm"].what
    assert "cut short" in faults["1/11/2.dcm"].what
    assert "not a DICOM file" in faults["1/11/3.dcm"].what
    assert "cannot be opened" in faults["1/11/4.dcm"].what
    assert "cannot be opened" in faults["1/11/6.dcm"].what
    assert faults["1/11/readme.txt"].usable
    assert "not named by a series number" in faults["1/a%2f..%2fescape"].what
    assert "not named by a study number" in faults["notes"].what
    assert "cannot be opened" in faults["1/12/loop"].what
    assert result.studies[0].get(11).instance_numbers.tolist() == [5]
    assert len(result.studies[0].get(12)) == 6
    assert len(result.studies[1].series) == 3
    inside = {path.name for path in tmp_path.iterdir()}
    assert inside == {"data", "cache"}


def test_unreadable_file_and_folder_are_named(data, prepared):
    write(data, 1)
    data.file(1, 11, 1).chmod(0)
    if os.access(data.file(1, 11, 1), os.R_OK):
        pytest.skip("this user may read everything")
    data.file(1, 12, 1).parent.chmod(0)
    try:
        faults = " | ".join(f"{fault.path}: {fault.what}" for fault in prepared().faults)
    finally:
        data.file(1, 12, 1).parent.chmod(0o755)
    assert "11/1.dcm: cannot be opened: Permission denied" in faults
    assert "12: cannot be listed: Permission denied" in faults


def test_faults_are_remembered_and_read_again_when_asked_or_mended(data, prepared, monkeypatch):
    write(data, 1)
    good = data.file(1, 11, 2).read_bytes()
    data.file(1, 11, 2).write_bytes(bytes(len(good)))
    assert len(prepared().faults) == 1
    assert len(prepared().faults) == 1
    monkeypatch.setattr("bench.imaging.preparation.run_isolated", lambda *_, **__: pytest.fail("read again"))
    assert len(prepared().faults) == 1
    monkeypatch.undo()
    assert len(prepared(retry_faults=True).faults) == 1
    data.file(1, 11, 2).write_bytes(good)
    assert len(prepared().faults) == 0
    assert len(prepared().studies[0].get(11)) == 4


def test_record_says_what_made_the_volume(data, prepared):
    write(data, 1)
    folder = prepared().volumes.folder
    record = json.loads((folder / "11.json").read_text())
    assert len(record.pop("sha256")) == len(record["contents"]) == 64
    assert record["schema_version"] == 1
    assert record["encodings"] == {"1.2.840.10008.1.2.5": 4}
    assert record["decoders"][0].startswith("pylibjpeg-rle ")
    assert record["mapping"] == [1.0, 0.0]
    assert record["files"][0] == "train_images/1/11/1.dcm"
    assert read_record(folder, 11) == record
    assert read_record(folder, 999) is None


def test_memory_does_not_grow_with_the_number_of_studies(data, prepared):
    """The parent keeps records alone: a hundred bytes a slice, where the pixels would take two thousand."""
    import tracemalloc

    write(data, 12, slices=10)
    tracemalloc.start()
    try:
        prepared()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pixels = 12 * 3 * 10 * 32 * 32 * 2
    assert peak < 6e6, peak
    assert pixels > 700_000
