"""What planning writes for jobs, and what a job refuses."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from bench.data.cohort_index import read_cohort_index, write_cohort_index
from bench.data.load import open_dataset
from bench.dataset import DataSet
from bench.errors import DataError
from bench.imaging.cache import index_path, read_index, write_index
from bench.targets import TARGET_NAMES


class Plain(DataSet):
    def locate(self, **_):
        raise NotImplementedError

    def known_faults(self):
        return {2: "somebody said so"}


@pytest.fixture
def opened(data, tmp_path):
    for study, flip in ((1, False), (2, True)):
        data.study(study, left_to_right=flip)
    data.tables([1, 2], TARGET_NAMES)
    return open_dataset(Plain(), data.root, tmp_path / "cache", 1, lambda *_: None)


@pytest.fixture
def path(tmp_path, opened) -> Path:
    written = tmp_path / "split" / "cohort.json"
    write_cohort_index(written, opened)
    return written


def test_studies_are_the_same_to_the_last_bit(opened, path) -> None:
    indexed = read_cohort_index(path, opened.data_hash)
    assert len(indexed.studies) == 2
    for ours, theirs in zip(indexed.studies, opened.cohort.studies, strict=True):
        assert (ours.study_id, ours.notes) == (theirs.study_id, theirs.notes)
        for one, other in zip(ours.series, theirs.series, strict=True):
            for field in fields(one):
                mine, his = getattr(one, field.name), getattr(other, field.name)
                if isinstance(his, np.ndarray):
                    assert mine.dtype == his.dtype
                    assert mine.tobytes() == his.tobytes()
                else:
                    assert type(mine) is type(his)
                    assert mine == his
    series = indexed.studies[0].series[0].series_id
    np.testing.assert_array_equal(indexed.volumes.array(series), opened.volumes.array(series))


def test_writing_the_same_again_writes_nothing(opened, path) -> None:
    before = {file: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    assert len(before) == 2
    assert write_cohort_index(path, opened) == []
    assert {file: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before


@pytest.mark.parametrize("name", ["cohort.json", "cohort.npz"])
@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema_version": 1}', None])
def test_damage_is_named_and_made_anew(opened, path, name, damage) -> None:
    damaged = path.with_name(name)
    content = damaged.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    damaged.write_bytes(flipped if damage is None else damage)
    assert write_cohort_index(path, opened) == [f"{damaged} was damaged"]
    assert damaged.read_bytes() == content


def test_another_version_is_replaced_without_a_word(opened, path) -> None:
    path.write_text('{"schema_version": 99}')
    assert write_cohort_index(path, opened) == []


@pytest.mark.parametrize("name", ["train.csv", "train_label_coordinates.csv", "train_series_descriptions.csv"])
def test_a_changed_table_is_named(opened, path, data, name) -> None:
    with (data.root / name).open("a") as file:
        file.write("\n")
    with pytest.raises(DataError, match=rf"{name} changed since .* Run the command again"):
        read_cohort_index(path, opened.data_hash)


def test_series_that_another_run_added_to_the_cache_do_not_matter(opened, path) -> None:
    records = read_index(opened.volumes.folder)
    more = {**records[11], "series_id": 99}
    write_index(opened.volumes.folder, {**records, 99: more})
    assert len(read_cohort_index(path, opened.data_hash).studies) == 2


@pytest.mark.parametrize("what", ["another checksum", "a series less", "no index"])
def test_a_changed_cache_is_named(opened, path, what) -> None:
    folder = opened.volumes.folder
    records = read_index(folder)
    if what == "another checksum":
        records[11]["checksum"] = "00000000"
    else:
        del records[11]
    write_index(folder, records)
    if what == "no index":
        index_path(folder).unlink()
    with pytest.raises(DataError, match=r"volume cache .* changed since .* Run the command again"):
        read_cohort_index(path, opened.data_hash)


def test_other_data_are_refused(opened, path) -> None:
    with pytest.raises(DataError, match=r"is of data .*, the job is of ffffffff"):
        read_cohort_index(path, "f" * 64)


@pytest.mark.parametrize("kind", ["absent", "empty", "a list", "no arrays", "flipped arrays", "no notes"])
def test_a_damaged_index_is_named_and_cured_by_planning(opened, path, kind) -> None:
    arrays = path.with_suffix(".npz")
    document = json.loads(path.read_text())
    if kind == "absent":
        path.unlink()
    elif kind in ("empty", "a list"):
        path.write_text({"empty": "", "a list": "[]"}[kind])
    elif kind == "no arrays":
        arrays.unlink()
    elif kind == "flipped arrays":
        content = bytearray(arrays.read_bytes())
        content[len(content) // 2] ^= 1
        arrays.write_bytes(content)
    else:
        path.write_text(json.dumps(document | {"notes": {}}))
    with pytest.raises(DataError, match=r"damaged.* Run the command again"):
        read_cohort_index(path, opened.data_hash)
    write_cohort_index(path, opened)
    assert len(read_cohort_index(path, opened.data_hash).studies) == 2
