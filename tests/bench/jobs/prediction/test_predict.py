from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.errors import BenchError, UsageError
from bench.jobs.folder import NOTES, PREDICTIONS
from bench.jobs.prediction import predict as module
from bench.jobs.prediction.model_folder import export_model, read_model
from bench.jobs.prediction.results import DRAWINGS, PAGE, STUDIES, likely_grades
from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, TARGET_NAMES

COLUMNS = ["normal_mild", "moderate", "severe"]


def rows_of(table: pd.DataFrame, study: int) -> np.ndarray:
    return table[table["row_id"].str.startswith(f"{study}_")][COLUMNS].to_numpy()


def test_one_fold_says_what_its_job_said_of_the_held_out_studies(trained) -> None:
    for member, job in zip(trained.members, trained.jobs, strict=True):
        _, tables = trained.predict(f"fold{job.fold}", members=(member,))
        stored = pd.read_csv(job.files.predictions)
        again = tables[PREDICTIONS].set_index("row_id").loc[stored["row_id"]].reset_index()
        pd.testing.assert_frame_equal(again, stored, check_exact=True)


def test_folds_are_averaged(trained) -> None:
    each = [trained.predict(member.name, members=(member,))[1][PREDICTIONS] for member in trained.members]
    _, both = trained.predict("both")
    assert both[PREDICTIONS]["row_id"].tolist()[:25] == [f"1_{name}" for name in TARGET_NAMES]
    mean = (each[0][COLUMNS] + each[1][COLUMNS]) / 2
    np.testing.assert_allclose(both[PREDICTIONS][COLUMNS], mean, atol=1e-12)


def test_an_exported_model_predicts_the_same_bytes(trained, tmp_path: Path) -> None:
    export_model(trained.jobs, tmp_path / "model")
    record = read_model(tmp_path / "model")
    stored, exported = trained.order("stored"), trained.order("exported", members=record.members)
    for order in (stored, exported):
        module.predict(order, lambda *_, **__: None)
    for name in (PREDICTIONS, NOTES, STUDIES):
        assert (stored.work / name).read_bytes() == (exported.work / name).read_bytes()


def test_batches_change_nothing_and_leave_no_pixels(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = trained.predict("whole")
    monkeypatch.setattr(module, "BATCH", 5)
    _, parts = trained.predict("parts")
    pd.testing.assert_frame_equal(whole[PREDICTIONS], parts[PREDICTIONS], check_exact=True)
    assert not list((trained.place / "parts").rglob("*.npy"))


def test_rows_keep_the_order_of_the_sample(trained, tmp_path: Path) -> None:
    rows = [f"{study}_{name}" for study in (7, 3) for name in reversed(TARGET_NAMES)]
    sample = tmp_path / "sample.csv"
    pd.DataFrame({"row_id": rows, "normal_mild": 1, "moderate": 0, "severe": 0}).to_csv(sample, index=False)
    _, whole = trained.predict("whole")
    summary, asked = trained.predict("asked", sample=sample)
    assert asked[PREDICTIONS]["row_id"].tolist() == rows
    expected = whole[PREDICTIONS].set_index("row_id").loc[rows].reset_index()
    pd.testing.assert_frame_equal(asked[PREDICTIONS], expected, check_exact=True)
    assert summary.left_out == 10
    assert [study.study_id for study in summary.studies] == [3, 7]


def test_a_study_of_the_sample_without_images_gets_the_class_prior_and_a_note(trained, tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text(f"row_id,normal_mild,moderate,severe\n99_{TARGET_NAMES[3]},1,0,0\n3_{TARGET_NAMES[0]},1,0,0\n")
    summary, tables = trained.predict(sample=sample)
    prior = np.mean([member.prior for member in trained.members], axis=0)[3]
    assert tables[PREDICTIONS]["row_id"].tolist() == [f"99_{TARGET_NAMES[3]}", f"3_{TARGET_NAMES[0]}"]
    assert tables[PREDICTIONS][COLUMNS].iloc[0].tolist() == pytest.approx(prior.tolist())
    notes = tables[NOTES][tables[NOTES]["study_id"] == 99]["note"].tolist()
    assert notes == [
        "no images in toy-12",
        "no readable image: graded by the class prior of the training studies",
    ]
    assert {study.study_id: study.series for study in summary.studies} == {3: 3, 99: 0}


def test_a_sample_of_other_studies_is_refused(trained, tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text(f"row_id,normal_mild,moderate,severe\n99_{TARGET_NAMES[3]},1,0,0\n")
    with pytest.raises(UsageError, match="has none of them, but 12 such as 1"):
        trained.predict(sample=sample)


def test_a_study_that_lacks_a_series_gets_what_the_approach_says(trained, without: Callable[..., Path]) -> None:
    _, tables = trained.predict(data=without(kind=AXIAL_T2))
    notes = tables[NOTES][tables[NOTES]["study_id"] == 5]
    assert "no Axial T2 series" in notes["note"].tolist()
    assert len(tables[PREDICTIONS]) == 12 * 25
    assert not notes["note"].str.contains("class prior").any()


def test_a_study_of_which_nothing_can_be_read_gets_the_class_prior(trained, without: Callable[..., Path]) -> None:
    summary, tables = trained.predict(data=without(unreadable=5))
    prior = np.mean([member.prior for member in trained.members], axis=0)
    np.testing.assert_allclose(rows_of(tables[PREDICTIONS], 5), prior)
    notes = tables[NOTES][tables[NOTES]["study_id"] == 5]
    assert notes["note"].str.contains("is not a DICOM file").any()
    assert notes.iloc[-1]["by"] == "bench"
    assert [study.study_id for study in summary.studies if not study.series] == [5]


def test_what_the_approach_notes_is_kept_with_its_name(trained) -> None:
    _, tables = trained.predict()
    said = tables[NOTES][tables[NOTES]["by"] == "brightness"]
    assert said[["study_id", "note"]].to_numpy().tolist() == [[1, "noted in predict"]]  # once, not once per member


def test_studies_that_models_were_trained_on_are_named(trained) -> None:
    member, job = trained.members[0], trained.jobs[0]
    folds = job.files.split.read_folds()
    summary, tables = trained.predict(members=(member,))
    known = {study.study_id for study in summary.studies if study.trained_on}
    assert known == set(folds.index[folds != job.fold])
    noted = tables[NOTES][tables[NOTES]["note"].str.contains("1 of 1 models were trained on a study of this number")]
    assert set(noted["study_id"]) == known


def test_the_prior_of_a_member_is_that_of_its_training_studies(trained) -> None:
    from bench.data.cohort import grades_of

    job, member = trained.jobs[1], trained.members[1]
    folds = job.files.split.read_folds()
    grades = grades_of(job.files.split.read_labels(list(folds.index[folds != job.fold])))
    np.testing.assert_allclose(member.prior, prior_probabilities(grades))


@pytest.mark.parametrize("kind", ["png", "html"])
def test_studies_are_drawn(trained, tmp_path: Path, kind: str) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text(f"row_id,normal_mild,moderate,severe\n7_{TARGET_NAMES[3]},1,0,0\n9_{TARGET_NAMES[0]},1,0,0\n")
    order = trained.order(overlay=kind, sample=sample)
    module.predict(order, lambda *_, **__: None)
    if kind == "png":
        drawn = sorted((order.work / DRAWINGS).glob("*.png"))
        assert [path.name for path in drawn] == ["study-7.png", "study-9.png"]
        assert drawn[0].read_bytes()[:4] == b"\x89PNG"
        return
    page = (order.work / PAGE).read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert "http" not in page
    assert '<section id="7"><h2>Study 7</h2>' in page


def test_a_member_that_forgets_a_study_fails_the_prediction(trained) -> None:
    from dataclasses import replace

    bad = []
    for member in trained.members:
        job = replace(member.job, config=member.job.config.replace('"misbehave":""', '"misbehave":"forget"'))
        bad.append(member.model_copy(update={"job": job}))
    assert bad[0].job != trained.members[0].job
    with pytest.raises(BenchError, match=r"brightness-default fold 0: study 1 has no predictions"):
        trained.predict(members=tuple(bad))


def test_the_likely_grade_has_the_class_weights_divided_out() -> None:
    grades, likely = likely_grades(np.tile([0.4, 0.2, 0.4], (25, 1)))  # 0.4, 0.1, 0.1 without the weights
    assert grades.tolist() == [0] * 25
    assert likely[0] == pytest.approx(0.4 / 0.6)
