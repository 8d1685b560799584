"""New studies predicted with every approach: from the store and exported, in both layouts, without axial series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from bench.jobs.execute import execute
from bench.jobs.folder import EVIDENCE, NOTES, POINTS, PREDICTIONS
from bench.jobs.order import Order
from bench.jobs.plan import Request, prepare
from bench.jobs.prediction.member import Member, members_of
from bench.jobs.prediction.model_folder import export_model, read_model
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.prediction.predict import predict
from bench.jobs.prediction.select import jobs_of_run
from bench.targets import AXIAL_T2, SAGITTAL_T1

PROBABILITIES = ["normal_mild", "moderate", "severe"]
ROUNDING = 2e-3  # studies beside each other may round differently

pytestmark = pytest.mark.slow


@pytest.fixture(params=["mil", "multitask", "sequence", "prior"])
def store(request: pytest.FixtureRequest, tmp_path: Path, session_cache: Path) -> tuple[Path, str]:
    """A store with both folds of one approach, trained in its smallest preset, and the folder of its data."""
    asked = Request(
        approaches=[request.param],
        dataset="phantom:tiny",
        preset="smoke",
        folds="2",
        out=tmp_path / "runs",
        cache=session_cache,
    )
    how = {"device": "cpu", "precision": "fp32", "threads": 1, "beside": 1, "command": "bench run"}
    for job in prepare(asked, lambda *_: None).jobs:
        execute(Order(job=job, store=asked.out, cache=asked.cache, **how), lambda *_, **__: None)
    return asked.out, request.param


def predicted(members: tuple[Member, ...], data: Path, work: Path) -> Path:
    work.mkdir()
    predict(
        PredictionOrder(members=members, data=data, work=work, log=work / "log", precision="fp32"),
        lambda *_, **__: None,
    )
    return work


def table(work: Path) -> pd.DataFrame:
    return pd.read_csv(work / PREDICTIONS).set_index("row_id")


def any_folder(data: Path, target: Path, studies: int) -> Path:
    """The first studies as a scanner leaves them: other names, other identifiers, echo times instead of a table."""
    kinds = pd.read_csv(data / "train_series_descriptions.csv").set_index("series_id")["series_description"]
    (target / "deep").mkdir(parents=True)
    folders = sorted((data / "train_images").iterdir(), key=lambda path: int(path.name))[:studies]
    for number, path in enumerate(path for folder in folders for path in folder.rglob("*.dcm")):
        ds, kind = pydicom.dcmread(path), kinds[int(path.parent.name)]
        ds.StudyInstanceUID = f"1.2.{path.parts[-3]}"
        ds.SeriesInstanceUID = f"1.2.{path.parts[-3]}.{path.parts[-2]}"
        ds.EchoTime, ds.Modality = 12 if kind == SAGITTAL_T1 else 95, "MR"
        ds.save_as(target / "deep" / f"MR{number:05}")
    return target


def test_an_approach_predicts_new_studies(store: tuple[Path, str], tmp_path: Path) -> None:
    root, approach = store
    jobs = jobs_of_run(approach, root)
    members, data = members_of(jobs), Path(jobs[0].data)

    one_fold = table(predicted(members[:1], data, tmp_path / "one"))
    stored = pd.read_csv(jobs[0].files.predictions).set_index("row_id")
    assert np.abs(one_fold.loc[stored.index] - stored).max().max() <= ROUNDING  # the job's own held-out studies

    both = predicted(members, data, tmp_path / "both")
    export_model(jobs, tmp_path / "model")
    exported = predicted(read_model(tmp_path / "model").members, data, tmp_path / "exported")
    for name in (PREDICTIONS, POINTS, EVIDENCE, NOTES):
        assert (both / name).exists() == (exported / name).exists()
        if (both / name).exists():
            assert (both / name).read_bytes() == (exported / name).read_bytes()

    other = predicted(members, any_folder(data, tmp_path / "mr", 2), tmp_path / "other")
    names = pd.read_csv(other / "studies.csv").set_index("study_id")["name"].str.removeprefix("1.2.")
    renamed = table(other).rename(lambda row: f"{names[int(row.partition('_')[0])]}_{row.partition('_')[2]}")
    assert len(renamed) == 50
    assert np.abs(renamed - table(both).loc[renamed.index]).max().max() <= ROUNDING


def test_studies_without_axial_series_get_what_the_approach_says(store: tuple[Path, str], tmp_path: Path) -> None:
    root, approach = store
    jobs = jobs_of_run(approach, root)
    data, bare = Path(jobs[0].data), tmp_path / "bare"
    bare.mkdir()
    (bare / "test_images").symlink_to(data / "train_images")
    series = pd.read_csv(data / "train_series_descriptions.csv")
    series[series["series_description"] != AXIAL_T2].to_csv(bare / "test_series_descriptions.csv", index=False)
    work = predicted(members_of(jobs), bare, tmp_path / "work")
    np.testing.assert_allclose(table(work)[PROBABILITIES].sum(axis=1), 1, atol=1e-6)
    notes = pd.read_csv(work / NOTES)
    for _, own in notes.groupby("study_id"):
        assert own["note"].str.startswith("no Axial T2").any()
        if approach != "prior":
            assert (own["by"] == approach).any()
