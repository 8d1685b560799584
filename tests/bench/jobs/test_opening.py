"""What a job opens: the index that planning wrote, once, and never the images' folder."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from bench.data.load import open_dataset, resolve_dataset
from bench.errors import DataError
from bench.jobs import execute as executing
from bench.jobs.execute import open_job_data


def test_a_job_lists_no_images(workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = workbench.prepare().jobs
    asked: list[str] = []
    for name in ("scandir", "stat", "listdir", "lstat", "open"):
        real = getattr(os, name)

        def spy(path=".", *arguments, _real=real, **options):
            asked.append(str(path))
            return _real(path, *arguments, **options)

        monkeypatch.setattr(os, name, spy)
    assert workbench.execute(job) == "done"
    assert any(str(workbench.files(job).path) in path for path in asked)  # the spy sees something
    assert [path for path in asked if "train_images" in path] == []
    assert workbench.files(job).true_point_predictions.exists()


def test_a_job_opens_what_the_whole_opening_gave(workbench) -> None:
    prepared = workbench.prepare()
    (job,) = prepared.jobs
    opening = open_job_data(workbench.order(job))
    whole = prepared.opened.cohort
    held_out = set(opening.held_out.study_ids.tolist())
    assert set(opening.train.study_ids.tolist()) == set(whole.study_ids.tolist()) - held_out
    expected = whole.subset(opening.train.study_ids)
    pd.testing.assert_frame_equal(opening.train.labels, expected.labels)
    pd.testing.assert_frame_equal(opening.train.points, expected.points)
    for ours, theirs in zip(opening.train.studies, expected.studies, strict=True):
        assert (ours.study_id, ours.notes, len(ours.series)) == (theirs.study_id, theirs.notes, len(theirs.series))
    assert (opening.held_out.labels, opening.held_out.points) == (None, None)
    assert opening.true_points.labels is None
    assert set(opening.true_points.points["study_id"]) == held_out


def test_a_table_changed_after_planning_fails_the_job_with_the_cure(workbench, tmp_path: Path) -> None:
    _, _, dataset = resolve_dataset("toy", workbench.request.plugins)
    data = dataset.locate(preset="12", data=tmp_path / "toy", cache=tmp_path, jobs=1, progress=lambda *_: None)
    workbench = workbench.asking(data=data)
    (job,) = workbench.prepare().jobs
    labels = (data / "train.csv").read_text()
    (data / "train.csv").write_text(labels.replace("Severe", "Moderate"))
    with pytest.raises(DataError, match=r"train\.csv changed since the jobs were planned\. Run the command again"):
        workbench.execute(job)
    (data / "train.csv").write_text(labels)
    assert workbench.execute(job) == "done"


def test_opening_twice_is_not_needed_by_the_true_point_pass(workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = workbench.prepare().jobs
    calls = []
    real = executing.read_cohort_index
    monkeypatch.setattr(executing, "read_cohort_index", lambda *args: (calls.append(args), real(*args))[1])
    workbench.execute(job)
    assert workbench.files(job).true_point_predictions.exists()
    assert len(calls) == 1
    assert not hasattr(executing, open_dataset.__name__)
