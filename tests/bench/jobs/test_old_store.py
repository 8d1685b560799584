"""A store of schema version 1, written here as that release wrote it: reported, listed, and made anew by a run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli.list import command as list_command
from bench.cli.report import command as report_command
from bench.comparison import compare
from bench.jobs.job import Job
from bench.jobs.store import judge_folder, stored_jobs
from bench.targets import PROBABILITY_COLUMNS, TARGET_NAMES

FINGERPRINT = {"data": "d" * 64, "source of bench.training": "a"}
STUDIES = range(1, 13)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two folds of twelve studies, finished."""
    root = tmp_path / "runs"
    for fold in (0, 1):
        write_job(root, fold)
    return root


def write_job(root: Path, fold: int) -> None:
    job = Job("prior", "quick", "{}", "phantom:small", "data", "d" * 64, 2, "f" * 64, fold)
    folder = root / "phantom-small-dddddddd" / "folds-2-ffffffff" / job.run_name / "seed0" / f"fold{fold}"
    folder.mkdir(parents=True)
    split = folder.parents[2]
    (split / "folds.csv").write_text("study_id,fold\n" + "".join(f"{study},{study % 2}\n" for study in STUDIES))
    labels = pd.DataFrame("Normal/Mild", index=list(STUDIES), columns=list(TARGET_NAMES))
    labels.iloc[::3] = "Severe"
    labels.to_csv(split / "labels.csv", index_label="study_id")
    about = {"schema_version": 1, "dataset": "phantom:small", "folder": "data", "data_hash": "d" * 64}
    about |= {"fold_hash": "f" * 64, "studies": 12, "excluded": {"77": "no readable series"}, "faults": 0}
    (split / "dataset.json").write_text(json.dumps(about))
    rows = [f"{study}_{name}" for study in STUDIES if study % 2 == fold for name in TARGET_NAMES]
    table = pd.DataFrame(np.full((len(rows), 3), 1 / 3), columns=list(PROBABILITY_COLUMNS))
    table.insert(0, "row_id", rows)
    table.to_csv(folder / "predictions.csv", index=False)
    values = {"job": json.loads(job.to_json()), "fingerprint": FINGERPRINT, "threads": 2}
    (folder / "job.json").write_text(json.dumps({"schema_version": 1, **values}))
    result = {"schema_version": 1, "status": "done", "score": 1.1, "parts": {"spinal": 1.0, "foraminal": None}}
    result |= {"true_points": {"score": 1.0, "parts": {}}, "localisation": None, "studies": 6, "config": {}}
    result |= {"fingerprint": FINGERPRINT, "fit_seconds": 3.0, "fit_cpu_seconds": 2.0, "predict_seconds": 1.0}
    result |= {"predict_cpu_seconds": 1.0, "peak_memory_mb": 300.0, "parameters": 0, "multiply_adds_per_study": None}
    result |= {"threads": 2, "jobs_beside": 1, "precision": "fp32", "versions": {"python": "3.11"}}
    result |= {"hardware": {"cores": 2, "device": "cpu"}, "command": "bench run --approach prior"}
    (folder / "result.json").write_text(json.dumps(result))
    digest = hashlib.sha256((folder / "result.json").read_bytes() + (folder / "predictions.csv").read_bytes())
    (folder / "done").write_text(digest.hexdigest())


def invoke(command, *words: object):
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


def test_its_results_are_read(store: Path) -> None:
    jobs = stored_jobs(store)
    assert [job.status for job in jobs] == ["done", "done"]
    result = jobs[0].result
    assert (result.score, result.fit_seconds, result.shared_seconds, result.schema_version) == (1.1, 3.0, 0.0, 1)
    comparison = compare(jobs, resamples=100)
    assert comparison.excluded == {77: "no readable series"}
    assert comparison.approaches[0].fit_seconds == 6.0


def test_it_is_reported(store: Path, tmp_path: Path) -> None:
    done = invoke(report_command, store, "--json", "-o", tmp_path / "page.html")
    assert json.loads(done.stdout)["approaches"][0]["name"] == "prior"
    assert "prior-quick" in (tmp_path / "page.html").read_text()


def test_it_is_listed_with_its_schema(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = json.loads(invoke(list_command, "runs", "--json", "--out", store).stdout)["runs"]
    assert [(row["fold"], row["status"], row["score"]) for row in rows] == [(0, "done", 1.1), (1, "done", 1.1)]
    assert {row["note"] for row in rows} == {"schema version 1, read as 2"}
    monkeypatch.setenv("COLUMNS", "300")
    assert invoke(list_command, "runs", "--out", store).stdout.count("schema version 1, read as 2") == 2


def test_its_checksum_still_holds(store: Path) -> None:
    job = stored_jobs(store)[0]
    assert judge_folder(job.files, FINGERPRINT).action == "reuse"
    job.files.predictions.write_text("row_id\n")
    verdict = judge_folder(job.files, FINGERPRINT)
    assert (verdict.action, verdict.why) == (
        "replace",
        "its result.json or predictions.csv changed since it was finished",
    )


@pytest.mark.parametrize("name", ["job.json", "result.json"])
def test_a_schema_of_the_future_is_named_and_left_out(store: Path, name: str) -> None:
    path = stored_jobs(store)[0].folder / name
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 3'))
    if name == "result.json":
        stored_jobs(store)[0].files.finish()
    done = invoke(report_command, store, "--json")
    document = json.loads(done.stdout)
    assert [fold["fold"] for fold in document["approaches"][0]["folds"]] == [1]
    named = done.stderr if name == "job.json" else document["unfinished"][0]["reason"]
    for words in (str(path), "schema version 3", "this release reads 1 and 2", "Run the same `bench run` again"):
        assert words in named
    rows = json.loads(invoke(list_command, "runs", "--json", "--out", store).stdout)["runs"]
    assert [row["status"] for row in rows] == ["damaged", "done"]
    assert "schema version 3" in rows[0]["note"]


@pytest.mark.parametrize("text", ["", "[]", "{"])
@pytest.mark.parametrize("name", ["job.json", "result.json", "done"])
def test_what_is_damaged_is_named_in_list_and_report(store: Path, name: str, text: str) -> None:
    path = stored_jobs(store)[0].folder / name
    path.write_text(text)
    rows = json.loads(invoke(list_command, "runs", "--json", "--out", store).stdout)["runs"]
    assert [row["status"] for row in rows] == ["damaged", "done"]
    assert name in rows[0]["note"]
    assert rows[0]["path"] == str(path.parent)
    done = invoke(report_command, store, "--json")
    assert len(json.loads(done.stdout)["approaches"][0]["folds"]) == 1
