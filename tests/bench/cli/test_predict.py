from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bench.cli import export, predict
from bench.errors import BenchError, UsageError
from bench.jobs.execute import execute
from bench.jobs.order import Order
from bench.jobs.plan import Request, prepare


def invoke(command, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def request_of(
    tmp_path_factory: pytest.TempPathFactory, session_cache: Path, toy_plugin: Path, brightness_plugin: Path
) -> Request:
    """A trained run of `brightness` on the toy data, one fold of two."""
    request = Request(
        approaches=["brightness"],
        dataset="toy",
        folds="2",
        only_folds=[0],
        plugins=[toy_plugin, brightness_plugin],
        out=tmp_path_factory.mktemp("cli") / "runs",
        cache=session_cache,
    )
    how = {"device": "cpu", "precision": "fp32", "threads": 1, "beside": 1, "command": "bench run"}
    for job in prepare(request, lambda *_: None).jobs:
        execute(Order(job=job, store=request.out, cache=request.cache, **how), lambda *_, **__: None)
    return request


@pytest.fixture
def data(request_of: Request) -> Path:
    return request_of.cache / "toy-12"


def test_from_the_store_and_from_an_exported_model_alike(request_of: Request, data: Path, tmp_path: Path) -> None:
    """The whole way, with the process that predicts: all files, the table on screen, and what is left behind."""
    out, model = tmp_path / "o" / "submission.csv", tmp_path / "model"
    common = ["--data", data, "--cache-dir", tmp_path / "cache", "--jobs", 1]
    first = invoke(predict.command, "brightness", "--runs", request_of.out, "-o", out, *common)
    assert "12 studies (the competition's layout" in first.stdout
    assert "Not for diagnosis" in first.stdout
    assert len(pd.read_csv(out)) == 12 * 25
    assert {path.name for path in out.parent.iterdir()} == {
        "submission.csv",
        "submission_notes.csv",
        "submission_studies.csv",
    }

    assert "brightness" in invoke(export.command, "brightness", "--runs", request_of.out, "-o", model).stdout
    plugin = ["--plugin", model / "plugin" / "brightness.py"]
    second = invoke(predict.command, "--model", model, "-o", tmp_path / "again.csv", *common, *plugin, "--json")
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()
    document = json.loads(second.stdout)
    assert document["schema_version"] == 1
    assert len(document["studies"]) == 12
    assert set(document["studies"][0]["grades"].values()) <= {0, 1, 2}
    assert document["files"]["predictions.csv"] == str(tmp_path / "again.csv")
    assert list((tmp_path / "cache" / "predict").iterdir()) == []  # no pixels are left


def test_a_failure_names_its_log_and_leaves_no_submission(
    request_of: Request, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIGHTNESS_DIES_IN_PREDICT", "1")
    words = ["brightness", "--runs", request_of.out, "--data", data, "--cache-dir", tmp_path / "cache", "--jobs", 1]
    with pytest.raises(BenchError, match="its process was killed"):
        invoke(predict.command, *words, "-o", tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    assert list((tmp_path / "cache" / "predict").iterdir()) == []


def test_a_submission_may_go_to_a_pipe(request_of: Request, data: Path, tmp_path: Path) -> None:
    words = ["predict", "brightness", "--runs", request_of.out, "--data", data, "--cache-dir", tmp_path, "--jobs", 1]
    done = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", *map(str, words), "-o", "/dev/stdout"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "row_id,normal_mild,moderate,severe"
    assert len(lines) == 1 + 12 * 25
    assert list(tmp_path.glob("*.csv")) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--data", "{data}"], "name what predicts"),
        (["brightness", "--model", "m", "--data", "{data}"], "name what predicts"),
        (["brightness", "--data", "{data}/none"], "no such folder"),
        (["brightness", "--data", "{data}/train.csv"], "that is a file. Name the folder"),
        (["brightness", "--data", "{data}", "-o", "{data}"], "this is a folder"),
        (["brightness", "--data", "{data}", "--sample", "{data}/none.csv"], "no such file"),
        (["brightness", "--data", "{data}", "--overlay", "{data}/train.csv"], "this is a file"),
        (["brightness", "--data", "{data}", "--runs", "{data}"], "no runs in"),
        (["brightnes", "--data", "{data}"], "brightness"),
        (["brightness", "--data", "{data}", "--fold", "1"], "has no finished job of it. Finished: 0"),
        (["brightness", "--data", "{data}", "--device", "tpu"], "choose auto, cpu"),
        (["--model", "{data}", "--data", "{data}"], "has no model.json"),
    ],
)
def test_wrong_use_is_told_before_anything_is_done(
    request_of: Request, data: Path, tmp_path: Path, words: list[str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.format(data=data) for word in words]
    runs = [] if "--runs" in words else ["--runs", request_of.out]
    with pytest.raises(UsageError, match=why):
        invoke(predict.command, *words, *runs, "--cache-dir", tmp_path / "cache")
    assert list(tmp_path.glob("*.csv")) == []


def test_export_refuses_a_run_without_models(request_of: Request, tmp_path: Path) -> None:
    shutil.copytree(request_of.out, tmp_path / "runs")
    for path in (tmp_path / "runs").rglob("done"):
        path.unlink()
    with pytest.raises(UsageError, match=r"has no finished job \(1 interrupted\)"):
        invoke(export.command, tmp_path / "runs", "-o", tmp_path / "model")
    assert not (tmp_path / "model").exists()
