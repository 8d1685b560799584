from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.approach import Predictions
from bench.approaches.multitask import Multitask, fitting
from bench.approaches.multitask.classifier import Classifier
from bench.approaches.multitask.locator import Locator
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.errors import BenchError, UsageError
from bench.imaging.study import Study
from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2, SERIES_DESCRIPTIONS, TARGETS, indices
from bench.testing import make_context

Predict = Callable[[Cohort], tuple[Predictions, list[tuple[int, str]]]]


@pytest.fixture(scope="module")
def fitted(job_at, parts, tmp_path_factory: pytest.TempPathFactory) -> Multitask:
    from tests.approaches.multitask.conftest import resolved

    multitask = Multitask(resolved())
    multitask.fit(parts[0], job_at(tmp_path_factory.mktemp("job")))
    return multitask


@pytest.fixture
def predict(fitted: Multitask, odd, tmp_path: Path) -> Predict:
    """Predictions and notes; with features of its own, since the studies may lack series."""

    def run(studies: Cohort) -> tuple[Predictions, list[tuple[int, str]]]:
        context = make_context(tmp_path / "job", odd.volumes)
        return fitted.predict(studies, context), list(context._notes)

    return run


def check(predictions: Predictions) -> None:
    assert np.isfinite(predictions.probabilities).all()
    assert (predictions.probabilities >= 0).all()
    np.testing.assert_allclose(predictions.probabilities.sum(axis=2), 1, atol=1e-6)


def without(study: Study, *descriptions: str) -> Study:
    return replace(study, series=tuple(one for one in study.series if one.description not in descriptions))


def prior_of(cohort: Cohort) -> np.ndarray:
    prior = prior_probabilities(cohort.grades)
    return prior / prior.sum(axis=1, keepdims=True)


def test_what_is_missing_is_noted_by_study(predict: Predict, parts) -> None:
    predictions, notes = predict(parts[1].hidden())
    check(predictions)
    for study in parts[1].studies:
        said = " / ".join(text for study_id, text in notes if study_id == study.study_id)
        for description in SERIES_DESCRIPTIONS:
            assert bool(study.of(description)) != (f"no {description}" in said), study.study_id


@pytest.mark.parametrize(
    "missing",
    [(AXIAL_T2,), (SAGITTAL_T1,), (SAGITTAL_T2,), (SAGITTAL_T1, SAGITTAL_T2), (AXIAL_T2, SAGITTAL_T2)],
)
def test_any_kind_of_series_may_be_missing_and_its_targets_get_the_class_prior(
    predict: Predict, parts, missing
) -> None:
    whole = next(study for study in parts[1].studies if len({one.description for one in study.series}) == 3)
    predictions, notes = predict(Cohort((without(whole, *missing),)))
    check(predictions)
    located = set(predictions.points["condition"])
    for description in missing:
        assert any(f"no {description}" in text for _, text in notes)
        lost = [index for index, target in enumerate(TARGETS) if target.point_series == description]
        np.testing.assert_allclose(predictions.probabilities[0, lost], prior_of(parts[0])[lost], atol=1e-5)
        assert not located & {TARGETS[index].condition_words for index in lost}
    if AXIAL_T2 not in missing and missing == (SAGITTAL_T2,):
        assert any("Subarticular" in one for one in located)  # the foramina tell the levels


def test_sides_follow_from_where_they_lie_in_the_patient(predict: Predict, parts) -> None:
    predictions, _ = predict(parts[1].hidden())
    keypoints = read_keypoints(replace(parts[1].hidden(), points=predictions.points), lambda *_: None)
    x = keypoints.world(parts[1].studies)[..., 0]
    for condition in ("foraminal", "subarticular"):
        left, right = (x[:, indices(condition, side)] for side in ("left", "right"))
        both = ~np.isnan(left) & ~np.isnan(right)
        assert both.any()
        assert (left > right)[both].mean() > 0.9  # one epoch of training


@pytest.mark.parametrize("change", [lambda numbers: numbers[::-1], np.random.default_rng(0).permutation])
def test_instance_numbers_make_no_difference(predict: Predict, parts, change) -> None:
    study = next(study for study in parts[1].studies if len({one.description for one in study.series}) == 3)
    series = tuple(replace(one, instance_numbers=change(one.instance_numbers)) for one in study.series)
    (before, _), (after, _) = predict(Cohort((study,))), predict(Cohort((replace(study, series=series),)))
    np.testing.assert_array_equal(before.probabilities, after.probabilities)
    places = ["study_id", "series_id", "condition", "level", "x", "y"]
    assert before.points[places].equals(after.points[places])
    assert not before.points["instance_number"].equals(after.points["instance_number"])


def test_evidence_sums_to_one_over_three_slices_of_the_target_s_series(predict: Predict, parts) -> None:
    predictions, _ = predict(parts[1].hidden())
    sums = predictions.evidence.groupby("row_id")["weight"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert predictions.evidence.groupby("row_id").size().between(1, 3).all()
    kinds = {one.series_id: one.description for study in parts[1].studies for one in study.series}
    for words, kind in (("spinal", SAGITTAL_T2), ("foraminal", SAGITTAL_T1), ("subarticular", AXIAL_T2)):
        rows = predictions.evidence[predictions.evidence["row_id"].str.contains(words)]
        assert set(rows["series_id"].map(kinds)) == {kind}


def test_true_points_are_used_where_a_cohort_carries_them(predict: Predict, parts) -> None:
    located, _ = predict(parts[1].hidden())
    at_true, _ = predict(parts[1].without_labels())
    check(at_true)
    assert not np.allclose(located.probabilities, at_true.probabilities)
    again, _ = predict(replace(parts[1].hidden(), points=located.points))
    np.testing.assert_allclose(located.probabilities, again.probabilities, atol=1e-6)


@pytest.mark.slow
def test_labels_and_points_missing_in_every_place_are_no_obstacle(approach, job_at, parts, tmp_path) -> None:
    train = parts[0]
    labels = train.labels.copy()
    labels.loc[:, [target.name for target in TARGETS if target.condition == "foraminal"]] = np.nan
    labels.iloc[0] = np.nan
    nothing = replace(train, labels=labels, points=train.points.iloc[:0])
    unlabelled = replace(train, labels=labels)
    for number, cohort in enumerate([nothing, unlabelled]):
        multitask, context = approach(), job_at(tmp_path / str(number))
        multitask.fit(cohort, context)
        predictions = multitask.predict(parts[1].hidden(), context)
        check(predictions)
        assert predictions.points.empty == (cohort is nothing)
        if cohort is nothing:
            said = {text for _, text in context._notes}
            assert any("no training study has both a label and a crop" in text for text in said)
            np.testing.assert_allclose(
                predictions.probabilities, np.broadcast_to(prior_of(cohort), predictions.probabilities.shape), atol=1e-5
            )


@pytest.mark.slow
@pytest.mark.parametrize("description", [SAGITTAL_T1, SAGITTAL_T2, AXIAL_T2])
def test_all_studies_may_lack_one_kind_of_series(approach, odd, parts, tmp_path, description: str) -> None:
    studies = tuple(without(study, description) for study in parts[0].studies)
    multitask, context = approach(), make_context(tmp_path, odd.volumes)
    multitask.fit(replace(parts[0], studies=studies), context)
    predictions = multitask.predict(parts[1].hidden(), context)
    check(predictions)
    lost = [index for index, target in enumerate(TARGETS) if target.point_series == description]
    np.testing.assert_allclose(
        predictions.probabilities[:, lost],
        np.broadcast_to(prior_of(parts[0])[lost], predictions.probabilities[:, lost].shape),
        atol=1e-5,
    )
    assert any("no training study has a point of" in text for _, text in context._notes)


def test_a_level_that_no_annotator_marked_is_not_located(approach, job_at, parts, tmp_path) -> None:
    points = parts[0].points
    train = replace(parts[0], points=points[points["level"] != "L2/L3"].reset_index(drop=True))
    multitask, context = approach(), job_at(tmp_path)
    multitask.fit(train, context)
    predictions = multitask.predict(parts[1].hidden(), context)
    check(predictions)
    found = predictions.points
    assert not ((found["level"] == "L2/L3") & found["condition"].str.contains("Canal|Foraminal")).any()
    assert any("l2_l3" in text and "not located" in text for _, text in context._notes)


@pytest.mark.slow
def test_one_class_only_can_be_learnt_from(approach, job_at, parts, tmp_path) -> None:
    labels = parts[0].labels.copy()
    labels.loc[:, :] = "Moderate"
    multitask, context = approach(), job_at(tmp_path)
    multitask.fit(replace(parts[0], labels=labels), context)
    predictions = multitask.predict(parts[1].hidden(), context)
    check(predictions)
    assert (predictions.probabilities.argmax(axis=2) == 1).mean() > 0.9


@pytest.mark.parametrize("loop", ["staged", "one_loop"])
def test_a_single_study_can_be_learnt_from(approach, job_at, parts, tmp_path, loop: str) -> None:
    multitask, context = approach(f"training={loop}"), job_at(tmp_path)
    multitask.fit(parts[0].subset(parts[0].study_ids[:1]), context)
    check(multitask.predict(parts[1].hidden(), context))


def test_studies_without_points_are_located_by_the_split_that_left_them_out(
    approach, job_at, parts, tmp_path, monkeypatch
) -> None:
    lacking = parts[0].study_ids[:4].tolist()
    train = replace(parts[0], points=parts[0].points[~parts[0].points["study_id"].isin(lacking)])
    asked: dict[int, Any] = {}
    plain = fitting.Localiser.locate

    def spy(self: Any, studies: Any, *rest: Any, networks: Any = None) -> Any:
        asked.update({study.study_id: (self, networks) for study in studies})
        return plain(self, studies, *rest, networks=networks)

    seen: list[Any] = []
    train_grading = fitting.train_grading
    monkeypatch.setattr(fitting.Localiser, "locate", spy)
    monkeypatch.setattr(
        fitting, "train_grading", lambda task, *rest, **more: seen.append(task) or train_grading(task, *rest, **more)
    )
    multitask = approach("keypoints.splits=2")
    multitask.fit(train, job_at(tmp_path))
    parts_ = multitask.parts
    assert parts_ is not None
    for study_id in lacking:
        _, networks = asked[study_id]
        split = next(split for split, ids in enumerate(parts_.statistics.held_out) if study_id in ids)
        assert len(networks) == 1
        weights = [next(network.parameters()) for network in (networks[0], parts_.locators[split])]
        assert torch.equal(*weights)
    true = read_keypoints(train, lambda *_: None)
    found = seen[0].keypoints
    np.testing.assert_array_equal(found.pixels[true.known], true.pixels[true.known])
    rows = np.isin(train.study_ids, lacking)
    assert found.known[rows].sum() > 0


@pytest.fixture
def on_meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, set[str]]]]:
    """Lets the meta device stand in for a GPU: of every network that is asked, its name and the devices of its weights.

    Nothing can be computed there, so every network's output is replaced by numbers of the same shape.
    """
    asked: list[tuple[str, set[str]]] = []

    def before(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, (Locator, Classifier)):
            tensors = (*module.state_dict().values(), *inputs[0].values())
            asked.append((type(module).__name__, {one.device.type for one in tensors if one.dtype != torch.int64}))

    def after(module: nn.Module, inputs: Any, outputs: Any) -> Any:
        if isinstance(module, Locator):
            return {kind: torch.full(points.shape, 0.5) for kind, points in outputs.items()}
        return torch.zeros(outputs.shape) if isinstance(module, Classifier) else None

    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # the meta device has none
    monkeypatch.setattr(torch.Tensor, "__int__", lambda self: 48 if self.device.type == "meta" else self.item())
    hooks = [
        torch.nn.modules.module.register_module_forward_pre_hook(before),
        torch.nn.modules.module.register_module_forward_hook(after),
    ]
    yield asked
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_job_predicts_on_its_device_and_keeps_its_networks_where_they_are(
    job_at, parts, fitted, tmp_path, on_meta, monkeypatch, resumed: bool
) -> None:
    multitask = fitted
    if resumed:
        fitted.save(tmp_path / "saved")
        multitask = Multitask.load(tmp_path / "saved", fitted.config)
    context = job_at(tmp_path / "job")
    context.device = "meta"
    monkeypatch.setattr("bench.approaches.multitask.grading._weights", lambda logits, images: {
        name: np.ones((len(one), 3)) for name, one in images.items()
    })  # fmt: skip
    check(multitask.predict(parts[1].hidden(), context))
    assert {name for name, _ in on_meta} == {"Locator", "Classifier"}
    assert all(devices == {"meta"} for _, devices in on_meta)
    kept = [*multitask.parts.locators, multitask.model]
    assert {tensor.device.type for network in kept for tensor in network.state_dict().values()} == {"cpu"}


class KilledError(BaseException):
    pass


KILLED = [(loop, stage) for loop in ("one_loop", "staged") for stage in ("keypoints0", "superres", "multitask")]


@pytest.mark.slow
@pytest.mark.parametrize(("loop", "stage"), KILLED)
def test_a_fit_killed_in_any_stage_ends_as_if_it_had_not_been(
    approach, job_at, parts, tmp_path, monkeypatch, stage: str, loop: str
) -> None:
    few = parts[0].subset(parts[0].study_ids[:6])
    settings = f"training={loop}", "classifier.schedule.epochs=3"
    whole = approach(*settings)
    whole.fit(few, job_at(tmp_path / "whole"))
    context = job_at(tmp_path / "killed")
    plain = type(context).progress

    def die(self: Any, name: str, **what: Any) -> None:
        if name == stage and what["epoch"] == min(2, what["epochs"]):
            raise KilledError
        plain(self, name, **what)

    with monkeypatch.context() as patch:
        patch.setattr(type(context), "progress", die)
        with pytest.raises(KilledError):
            approach(*settings).fit(few, context)
    again = approach(*settings)
    again.fit(few, job_at(tmp_path / "killed"))
    first, second = (one.predict(parts[1].hidden(), context).probabilities for one in (whole, again))
    np.testing.assert_array_equal(first, second)


def test_an_unknown_network_is_told_before_any_training(approach, odd, parts, tmp_path, monkeypatch) -> None:
    context = make_context(tmp_path, odd.volumes)
    monkeypatch.setattr(type(context), "stage", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(UsageError, match="Did you mean 'test_resnet'"):
        approach("classifier.backbone=test_resnets").fit(parts[0], context)


def test_an_approach_that_was_not_fitted_says_so(approach, parts, tmp_path, odd) -> None:
    with pytest.raises(BenchError, match="fitted or loaded"):
        approach().predict(parts[1].hidden(), make_context(tmp_path, odd.volumes))
    with pytest.raises(BenchError, match="fitted or loaded"):
        approach().save(tmp_path)


def test_studies_without_any_series_of_use_are_skipped(approach, parts) -> None:
    bare = tuple(replace(study, series=()) for study in parts[0].studies)
    assert "no study has" in str(approach().skip(Cohort(bare)))
    assert approach().skip(parts[0].hidden()) is None
