"""A data set's caveat travels with the stored split; older splits ask the plug-in."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.comparison import compare
from bench.comparison.caveat import caveat_of
from bench.jobs.plan import Request, prepare
from bench.jobs.result import SplitRecord
from bench.jobs.store import StoredJob, stored_jobs

TOY = "made-up brightness; says nothing about patients"


@pytest.fixture
def job(make_store) -> StoredJob:
    return stored_jobs(make_store({"mil": 2.0}))[0]


def test_a_run_writes_the_caveat_beside_the_split(toy_plugin: Path, session_cache: Path, tmp_path: Path) -> None:
    request = Request(("prior",), "toy", plugins=(toy_plugin,), folds="2", out=tmp_path, cache=session_cache)
    folder = prepare(request, lambda *_: None).split_folder
    assert json.loads((folder / "dataset.json").read_text())["caveat"] == TOY


@pytest.mark.parametrize("stored", [TOY, None])
def test_the_stored_caveat_is_shown_and_the_name_decides_nothing(make_store, stored: str | None) -> None:
    store = make_store({"mil": 2.0}, dataset="phantom:small")
    for path in store.rglob("dataset.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "caveat": stored}))
    assert compare(stored_jobs(store), resamples=200).caveat == stored


def test_a_split_stored_without_one_asks_the_plugin(job: StoredJob, toy_plugin: Path) -> None:
    assert "not on patients" in str(caveat_of(SplitRecord(), job))
    assert caveat_of(SplitRecord(), replace(job, dataset="rsna2024")) is None
    assert caveat_of(SplitRecord(), replace(job, dataset="toy:12", plugins=(str(toy_plugin),))) == TOY


def test_a_plugin_that_is_gone_has_no_caveat(job: StoredJob, tmp_path: Path) -> None:
    gone = replace(job, dataset="gone", plugins=(str(tmp_path / "gone.py"),))
    assert caveat_of(SplitRecord(), gone) is None
