from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.approach import Predictions
from bench.approaches.sequence import ScanSequence
from bench.approaches.sequence.approach import shortcomings
from bench.data.cohort import Cohort
from bench.data.load import Opened
from bench.errors import BenchError, UsageError
from bench.imaging.study import Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2
from bench.testing import make_context

MISSING = ((AXIAL_T2,), (SAGITTAL_T1,), (SAGITTAL_T2,), (SAGITTAL_T1, SAGITTAL_T2))


@pytest.fixture(scope="module")
def parts(odd: Opened) -> tuple[Cohort, Cohort]:
    ids = odd.cohort.study_ids
    return odd.cohort.subset(ids[::2]), odd.cohort.subset(ids[1::2])


@pytest.fixture(scope="module")
def fitted(odd: Opened, parts, smoke_config, tmp_path_factory: pytest.TempPathFactory) -> ScanSequence:
    approach = ScanSequence(smoke_config)
    approach.fit(parts[0], make_context(tmp_path_factory.mktemp("job"), odd.volumes, all_studies=odd.cohort))
    return approach


@pytest.fixture(scope="module")
def smoke_config() -> Any:
    from bench import plugins
    from bench.jobs import config as configuration

    _, text = configuration.resolve(plugins.find("approaches", "sequence"), ScanSequence.Config, preset="smoke")
    return ScanSequence.Config.model_validate_json(text)


@pytest.fixture
def predict(fitted: ScanSequence, odd: Opened, tmp_path: Path) -> Callable[..., tuple[Predictions, list[str]]]:
    """Predictions and notes."""

    def run(studies: Cohort, name: str = "job", *, alone: bool = False) -> tuple[Predictions, list[str]]:
        known = studies if alone else odd.cohort  # alone: their slices are prepared from these very studies
        context = make_context(tmp_path / name, odd.volumes, all_studies=known)
        predictions = fitted.predict(studies, context)
        assert np.isfinite(predictions.probabilities).all()
        np.testing.assert_allclose(predictions.probabilities.sum(axis=2), 1, atol=1e-6)
        return predictions, [text for _, text in context._notes]

    return run


def whole(parts) -> Study:
    return next(study for study in parts[1].studies if len({one.description for one in study.series}) == 3)


def without(study: Study, *kinds: str) -> Study:
    return replace(study, series=tuple(one for one in study.series if one.description not in kinds))


def test_all_odd_studies_are_graded_and_what_they_lack_is_noted(predict, parts, smoke_config) -> None:
    predictions, notes = predict(parts[1].hidden())
    assert len(predictions.study_ids) == len(parts[1])
    assert set(notes) == {text for study in parts[1].studies for text in shortcomings(study, smoke_config)}
    for kind in (AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2):
        lacking = sum(not study.of(kind) for study in parts[1].studies)
        assert sum(f"no {kind}" in text for text in notes) == lacking


@pytest.mark.parametrize("missing", MISSING)
def test_any_type_of_scan_may_be_missing(predict, parts, missing) -> None:
    predictions, notes = predict(Cohort((without(whole(parts), *missing),)), "-".join(missing).replace("/", ""))
    kinds = {one.series_id: one.description for one in whole(parts).series}
    assert set(predictions.evidence["series_id"].map(kinds)) == set(kinds.values()) - set(missing)
    for kind in missing:
        assert any(f"no {kind}" in text for text in notes)


def test_without_any_series_the_class_prior_is_predicted_and_noted(predict, fitted, parts) -> None:
    predictions, notes = predict(Cohort((replace(whole(parts), series=()),)))
    np.testing.assert_allclose(predictions.probabilities[0], fitted.prior)
    assert notes == ["no series of any of the three types: class prior alone"]
    assert predictions.evidence.empty


def test_numbers_of_instances_make_no_difference(predict, parts) -> None:
    study = whole(parts)
    random = np.random.default_rng(0)
    changes = {
        "reversed": lambda numbers: numbers[::-1],
        "shuffled": random.permutation,
    }
    before, _ = predict(Cohort((study,)), alone=True)
    for name, change in changes.items():
        series = tuple(replace(one, instance_numbers=change(one.instance_numbers)) for one in study.series)
        after, _ = predict(Cohort((replace(study, series=series),)), name, alone=True)
        np.testing.assert_array_equal(before.probabilities, after.probabilities)


@pytest.mark.parametrize("count", [1, 4])
def test_few_slices_are_graded_and_noted(predict, parts, count: int) -> None:
    series = tuple(shortened(one, count) for one in whole(parts).series)
    _, notes = predict(Cohort((replace(whole(parts), series=series),)), str(count))
    assert sum(f"only {count} slices" in text for text in notes) >= 2


def shortened(series, count: int):
    names = ("instance_numbers", "positions", "orientations", "spacings", "shapes")
    return replace(series, **{name: getattr(series, name)[:count] for name in names})


def test_evidence_sums_to_one_over_all_scans_of_a_target(predict, parts) -> None:
    predictions, _ = predict(parts[1].hidden())
    np.testing.assert_allclose(predictions.evidence.groupby("row_id")["weight"].sum(), 1, atol=1e-6)


def test_slices_are_prepared_once_for_training_and_prediction(odd, parts, smoke_config, tmp_path, monkeypatch) -> None:
    context = make_context(tmp_path, odd.volumes, all_studies=odd.cohort)
    folders = []
    shared = type(context).shared
    monkeypatch.setattr(type(context), "shared", lambda self, *what: folders.append(shared(self, *what)) or folders[-1])
    approach = ScanSequence(smoke_config)
    approach.fit(parts[0], context)
    approach.predict(parts[1].hidden(), context)
    assert len(folders) == 2
    assert len(set(folders)) == 1


def test_labels_and_points_may_be_missing_everywhere(odd, parts, smoke_config, tmp_path) -> None:
    train = parts[0].subset(parts[0].study_ids[:4])
    labels = train.labels.copy()
    labels.loc[:] = np.nan
    context = make_context(tmp_path, odd.volumes)
    approach = ScanSequence(smoke_config)
    approach.fit(Cohort(train.studies, labels, None), context)
    said = approach.predict(parts[1].subset(parts[1].study_ids[:2]).hidden(), context)
    assert np.isfinite(said.probabilities).all()


@pytest.mark.parametrize("missing", [(AXIAL_T2,), (SAGITTAL_T1,), (SAGITTAL_T1, SAGITTAL_T2)])
def test_all_training_studies_may_lack_a_type_of_scan(odd, parts, smoke_config, tmp_path, missing) -> None:
    train = parts[0].subset(parts[0].study_ids[:4])
    lacking = replace(train, studies=tuple(without(study, *missing) for study in train.studies))
    context = make_context(tmp_path, odd.volumes)
    approach = ScanSequence(smoke_config)
    approach.fit(lacking, context)
    assert {f"no {kind}: masked" for kind in missing} <= {text for _, text in context._notes}
    said = approach.predict(Cohort((whole(parts),)), context)
    assert np.isfinite(said.probabilities).all()


def test_one_study_of_one_class_and_one_slice_can_be_learnt_from(odd, parts, smoke_config, tmp_path) -> None:
    train = parts[0].subset([whole((None, parts[0])).study_id])
    labels = train.labels.copy()
    labels.loc[:, :] = "Severe"
    series = tuple(shortened(one, 1) for one in train.studies[0].series)
    one = replace(train, studies=(replace(train.studies[0], series=series),), labels=labels, points=None)
    context = make_context(tmp_path, odd.volumes)
    approach = ScanSequence(smoke_config)
    approach.fit(one, context)
    said = approach.predict(Cohort((whole(parts),)), context)
    assert (said.probabilities.argmax(axis=2) == 2).all()


def test_early_stopping_holds_out_training_studies(odd, parts, tmp_path, config_of) -> None:
    config = config_of("training.schedule.early_stopping.patience=1", "training.schedule.epochs=2")
    context = make_context(tmp_path, odd.volumes, all_studies=odd.cohort)
    ScanSequence(config).fit(parts[0], context)
    assert "validation.loss" in (tmp_path / "history.csv").read_text()


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.order=arbitrary",),
        ("training.each_slice=true", "network.masked=false"),
        ("training.marked=slice", "network.glimpses=2", "training.mirror_prediction=true"),
        ("network.pooling=mean", "network.cells=0", "training.marked_loss=0"),
        ("network.cells=0", "network.first_attention=true", "preparation.intensity=adapted"),
    ],
)
def test_every_option_trains_and_predicts(odd, parts, tmp_path, config_of, overrides) -> None:
    context = make_context(tmp_path, odd.volumes)
    approach = ScanSequence(config_of(*overrides))
    approach.fit(parts[0].subset(parts[0].study_ids[:4]), context)
    studies = parts[1].subset(parts[1].study_ids[:2]).hidden()
    first, again = (approach.predict(studies, context).probabilities for _ in range(2))
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


class KilledError(BaseException):
    pass


def test_a_fit_killed_after_an_epoch_ends_as_if_it_had_not_been(odd, parts, tmp_path, monkeypatch, config_of) -> None:
    train = parts[0].subset(parts[0].study_ids[:6])
    config = config_of("training.schedule.epochs=3")

    def fit(name: str) -> np.ndarray:
        context = make_context(tmp_path / name, odd.volumes)
        approach = ScanSequence(config)
        approach.fit(train, context)
        return approach.predict(parts[1].hidden(), context).probabilities

    expected = fit("whole")
    context_class = type(make_context(tmp_path / "other", odd.volumes))
    plain = context_class.progress

    def die(self: Any, stage: str, **what: Any) -> None:
        if what["epoch"] == 2:
            raise KilledError
        plain(self, stage, **what)

    with monkeypatch.context() as patch:
        patch.setattr(context_class, "progress", die)
        with pytest.raises(KilledError):
            fit("killed")
    np.testing.assert_array_equal(fit("killed"), expected)


def test_an_unknown_backbone_is_told_before_anything_is_prepared(odd, parts, tmp_path, monkeypatch, config_of) -> None:
    context = make_context(tmp_path, odd.volumes)
    monkeypatch.setattr(type(context), "shared", lambda *_, **__: pytest.fail("prepared"))
    with pytest.raises(UsageError, match="no network 'test_byobnets'"):
        ScanSequence(config_of("network.backbone=test_byobnets")).fit(parts[0], context)


def test_it_says_what_is_wrong_with_being_asked_too_early(parts, smoke_config, tmp_path, odd) -> None:
    with pytest.raises(BenchError, match="fitted or loaded"):
        ScanSequence(smoke_config).predict(parts[1], make_context(tmp_path, odd.volumes))
    with pytest.raises(BenchError, match="fitted before"):
        ScanSequence(smoke_config).save(tmp_path)


def test_studies_without_any_series_of_use_are_skipped(parts, smoke_config) -> None:
    bare = tuple(replace(study, series=()) for study in parts[0].studies)
    assert "no study has" in str(ScanSequence(smoke_config).skip(Cohort(bare)))
    assert ScanSequence(smoke_config).skip(parts[0].hidden()) is None
