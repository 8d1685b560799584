"""What all runs are scored on: checked when it is read, written anew by `bench run`, refused by `bench report`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bench.comparison import compare_each
from bench.errors import BenchError, DataError
from bench.jobs.result import SplitRecord
from bench.jobs.split import TABLES, SplitFolder
from bench.jobs.store import stored_jobs


def swapped(path: Path) -> None:
    """Valid still, but with a value of another row in place of the first one."""
    table = pd.read_csv(path)
    column = next(name for name in table.columns[::-1] if table[name].nunique() > 1)
    table.loc[0, column] = table[column][table[column] != table[column][0]].iloc[0]
    table.to_csv(path, index=False)


@pytest.mark.parametrize("name", TABLES)
def test_an_edited_file_is_named_and_written_anew(workbench, name: str) -> None:
    prepared = workbench.prepare()
    assert prepared.changed == ()
    path = prepared.split_folder / name
    whole = path.read_text()
    swapped(path)
    changed = workbench.prepare().changed
    assert len(changed) == 1
    assert str(path) in changed[0]
    assert path.read_text() == whole
    assert workbench.prepare().changed == ()


@pytest.mark.parametrize("text", ["", "study_id\n", "{", "study_id,fold\n1,0\n"])
@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_file_is_written_anew(workbench, name: str, text: str) -> None:
    prepared = workbench.prepare()
    path = prepared.split_folder / name
    whole = path.read_text()
    path.write_text(text)
    assert len(workbench.prepare().changed) == 1
    assert path.read_text() == whole


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 9}', '{"files": 3}'])
def test_a_damaged_record_is_written_anew(workbench, text: str) -> None:
    prepared = workbench.prepare()
    about = SplitFolder(prepared.split_folder).about
    whole = about.read_text()
    about.write_text(text)
    (changed,) = workbench.prepare().changed
    assert str(about) in changed
    assert about.read_text() == whole


def test_a_record_that_says_other_things_is_named_and_written_anew(workbench) -> None:
    prepared = workbench.prepare()
    about = SplitFolder(prepared.split_folder).about
    whole = about.read_text()
    about.write_text(whole.replace('"studies": 12', '"studies": 13'))
    assert about.read_text() != whole
    assert workbench.prepare().changed == (f"{about} said other things",)
    assert about.read_text() == whole


def test_files_that_are_whole_are_left_alone(workbench) -> None:
    folder = workbench.prepare().split_folder
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    workbench.prepare()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_checksums_are_recorded_in_a_store_that_lacks_them(workbench) -> None:
    split = SplitFolder(workbench.prepare().split_folder)
    old = json.loads(split.about.read_text())
    del old["files"]
    split.about.write_text(json.dumps(old | {"schema_version": 1}))
    assert split.record().files == {}
    assert len(split.read_folds()) == 12
    assert workbench.prepare().changed == ()
    assert set(split.record().files) == set(TABLES)
    split.about.write_text(json.dumps(old | {"schema_version": 1}))
    swapped(split.labels)
    assert "labels.csv" in workbench.prepare().changed[0]


@pytest.mark.parametrize("name", ["folds.csv", "labels.csv", "floor_predictions.csv"])
def test_a_report_refuses_an_edited_file_with_the_cure(make_store, name: str) -> None:
    store = make_store({"mil": 2.0})
    path = next(store.rglob(name))
    swapped(path)
    with pytest.raises(DataError, match=rf"{name} was changed since .* Run the same `bench run` again"):
        compare_each(stored_jobs(store), resamples=100)


@pytest.mark.parametrize("text", ["", "{}", "a,b\n1,2\n", "study_id,fold,row_id\n"])
@pytest.mark.parametrize("name", ["folds.csv", "labels.csv", "floor_predictions.csv"])
def test_a_report_names_what_is_no_table_in_a_store_without_checksums(make_store, name: str, text: str) -> None:
    store = make_store({"mil": 2.0})
    next(store.rglob("dataset.json")).unlink()
    path = next(store.rglob(name))
    path.write_text(text)
    with pytest.raises(DataError, match=r"Run the same `bench run` again") as caught:
        compare_each(stored_jobs(store), resamples=100)
    assert name in str(caught.value) or "labels.csv" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"excluded": 5}', '{"schema_version": 9}'])
def test_a_report_names_a_damaged_record(make_store, text: str) -> None:
    store = make_store({"mil": 2.0})
    path = next(store.rglob("dataset.json"))
    path.write_text(text)
    with pytest.raises(BenchError, match=r"dataset\.json .*Run the same `bench run` again: it is written anew"):
        compare_each(stored_jobs(store), resamples=100)


def test_points_are_read_to_the_last_digit(tmp_path: Path) -> None:
    split = SplitFolder(tmp_path)
    x = [0.1 + 0.2, 1 / 3, 123.45600000000002, 5e-324]
    columns = {"study_id": 1, "series_id": 2, "instance_number": 3, "condition": "c", "level": "l"}
    table = pd.DataFrame({**{name: [value] * len(x) for name, value in columns.items()}, "x": x, "y": x[::-1]})
    split.write({split.points.name: table.to_csv(index=False)}, SplitRecord())
    pd.testing.assert_frame_equal(split.read_points(), table, check_exact=True)


def test_two_caches_have_an_index_each(tmp_path: Path) -> None:
    split = SplitFolder(tmp_path)
    places = {split.cohort_index(data, cache) for data in ("a", "b") for cache in ("a", "b")}
    assert len(places) == 4


def test_any_other_byte_of_the_record_is_written_anew(workbench) -> None:
    path = workbench.prepare().split_folder / "dataset.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"excluded"', b'"excluddd"'))  # valid, and equal but for a key that is unknown
    assert path.read_bytes() != whole
    workbench.prepare()
    assert path.read_bytes() == whole
