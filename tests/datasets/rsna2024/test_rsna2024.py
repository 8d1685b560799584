"""The competition's data set: where it lies, and what is known about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.data.tables import read_tables
from bench.datasets.rsna2024 import Rsna2024
from bench.errors import DataError, UsageError


def locate(data: Path | None) -> Path:
    return Rsna2024().locate(preset=None, data=data, cache=Path("cache"), jobs=1, progress=lambda *_: None)


def test_needs_to_be_told_where_it_lies():
    with pytest.raises(UsageError, match=r"pass the folder .*download: https://www\.kaggle\.com/"):
        locate(None)


def test_folder_must_be_there_and_hold_the_tables(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        locate(tmp_path / "absent")
    with pytest.raises(DataError, match="is empty"):
        locate(tmp_path)
    (tmp_path / "train.csv").touch()
    with pytest.raises(DataError, match=r"has no train_label_coordinates\.csv"):
        locate(tmp_path)


def test_cervical_study_is_left_out_with_its_reason():
    assert list(Rsna2024().excluded_studies()) == [3637444890]
    assert "cervical" in Rsna2024().excluded_studies()[3637444890]


def test_published_faults_are_about_studies_and_series_that_exist():
    root = os.environ.get("BENCH_REAL_DATA")
    if not root:
        pytest.skip("BENCH_REAL_DATA names no folder with the competition's tables")
    tables = read_tables(Path(root) / "rsna2024")
    ids = {*tables.series["study_id"], *tables.series["series_id"]}
    known = Rsna2024().known_faults()
    assert sorted(set(known) - ids) == []
    assert len(known) >= 37
    assert locate(Path(root) / "rsna2024") == Path(root) / "rsna2024"


def test_studies_said_to_lack_a_kind_lack_it():
    root = os.environ.get("BENCH_REAL_DATA")
    if not root:
        pytest.skip("BENCH_REAL_DATA names no folder with the competition's tables")
    series = read_tables(Path(root) / "rsna2024").series
    kinds = series.groupby("study_id")["series_description"].agg(set)
    known = Rsna2024().known_faults()
    for study, text in known.items():
        if text.startswith("has no "):
            kind = text.removeprefix("has no ").split(" series")[0]
            assert kind not in kinds[study]
