from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench import plugins
from bench.approach import Predictions
from bench.approaches.mil import MIL, location, point_stage, severity, slice_stage
from bench.approaches.mil.convnext3d import DepthNet
from bench.approaches.mil.model import Grades, SeverityNet
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.data.load import Opened
from bench.errors import UsageError
from bench.imaging.study import Study
from bench.jobs import config as configuration
from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, CONDITIONS, SAGITTAL_T1, SAGITTAL_T2, TARGETS, indices
from bench.testing import make_context, open_generated
from bench.training.point_heads import HeatmapPoints, PooledPoints

PLUGIN = plugins.find("approaches", "mil")
NETWORKS = (DepthNet, HeatmapPoints, PooledPoints, SeverityNet)


def approach(*overrides: str) -> MIL:
    _, text = configuration.resolve(PLUGIN, MIL.Config, preset="smoke", overrides=overrides)
    return MIL(MIL.Config.model_validate_json(text))


@pytest.fixture(scope="module")
def odd(session_cache: Path) -> Opened:
    return open_generated(session_cache)


@pytest.fixture(scope="module")
def parts(odd: Opened) -> tuple[Cohort, Cohort]:
    ids = odd.cohort.study_ids
    return odd.cohort.subset(ids[::2]), odd.cohort.subset(ids[1::2])


@pytest.fixture(scope="module")
def fitted(odd: Opened, parts: tuple[Cohort, Cohort], tmp_path_factory: pytest.TempPathFactory) -> MIL:
    mil = approach()
    mil.fit(parts[0], make_context(tmp_path_factory.mktemp("job"), odd.volumes))
    return mil


@pytest.fixture
def predict(fitted: MIL, odd: Opened, tmp_path: Path) -> Callable[[Cohort], tuple[Predictions, list[tuple[int, str]]]]:
    """Predictions and notes."""

    def run(studies: Cohort) -> tuple[Predictions, list[tuple[int, str]]]:
        context = make_context(tmp_path / "job", odd.volumes)
        return fitted.predict(studies, context), list(context._notes)

    return run


def check(predictions: Predictions) -> None:
    assert np.isfinite(predictions.probabilities).all()
    assert (predictions.probabilities >= 0).all()
    np.testing.assert_allclose(predictions.probabilities.sum(axis=2), 1, atol=1e-6)


def test_what_is_missing_is_noted_by_study(predict, parts) -> None:
    predictions, notes = predict(parts[1].hidden())
    check(predictions)
    for study in parts[1].studies:
        said = " / ".join(text for study_id, text in notes if study_id == study.study_id)
        for description in (AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2):
            assert bool(study.of(description)) != (f"no {description}" in said), study.study_id


def without(study: Study, *descriptions: str) -> Study:
    return replace(study, series=tuple(one for one in study.series if one.description not in descriptions))


@pytest.mark.parametrize(
    "missing",
    [(AXIAL_T2,), (SAGITTAL_T1,), (SAGITTAL_T2,), (SAGITTAL_T1, SAGITTAL_T2), (AXIAL_T2, SAGITTAL_T2)],
)
def test_any_kind_of_series_may_be_missing(predict, parts, missing) -> None:
    whole = next(study for study in parts[1].studies if len({one.description for one in study.series}) == 3)
    predictions, notes = predict(Cohort((without(whole, *missing),)))
    check(predictions)
    for description in missing:
        assert any(f"no {description}" in text for _, text in notes)
    located = set(predictions.points["condition"])
    kinds = {AXIAL_T2: "Subarticular", SAGITTAL_T1: "Foraminal", SAGITTAL_T2: "Canal"}
    if missing == (SAGITTAL_T2,):  # the foramina tell the level of the axial slice
        assert any("Subarticular" in one for one in located)
        assert any("chosen by the foramina" in text for _, text in notes)
    if missing == (SAGITTAL_T1, SAGITTAL_T2):
        assert predictions.points.empty
    for description in missing:
        assert not any(kinds[description] in one for one in located)


def test_sides_follow_from_where_they_lie_in_the_patient(predict, parts) -> None:
    predictions, _ = predict(parts[1].hidden())
    keypoints = read_keypoints(replace(parts[1].hidden(), points=predictions.points), lambda *_: None)
    x = keypoints.world(parts[1].studies)[..., 0]
    left, right = (x[:, indices("subarticular", side)] for side in ("left", "right"))
    both = ~np.isnan(left) & ~np.isnan(right)
    assert both.any()
    assert (left > right)[both].mean() > 0.9  # one epoch of training


def test_evidence_sums_to_one_and_lies_on_the_series_that_was_looked_at(predict, parts) -> None:
    predictions, _ = predict(parts[1].hidden())
    sums = predictions.evidence.groupby("row_id")["weight"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    kinds = {one.series_id: one.description for study in parts[1].studies for one in study.series}
    canal = predictions.evidence[predictions.evidence["row_id"].str.contains("spinal")]
    assert len(canal)
    assert set(canal["series_id"].map(kinds)) <= {SAGITTAL_T2, AXIAL_T2}


def test_true_points_are_used_where_a_cohort_carries_them(predict, parts) -> None:
    located, _ = predict(parts[1].hidden())
    at_true, _ = predict(parts[1].without_labels())
    check(at_true)
    assert not np.allclose(located.probabilities, at_true.probabilities)
    same = replace(parts[1].hidden(), points=located.points)
    again, _ = predict(same)
    np.testing.assert_allclose(located.probabilities, again.probabilities, atol=1e-6)


def test_labels_missing_in_every_place_are_no_obstacle(odd, parts, tmp_path) -> None:
    train = parts[0]
    labels = train.labels.copy()
    labels.loc[:, [target.name for target in TARGETS if target.condition == "foraminal"]] = np.nan
    labels.iloc[0] = np.nan
    nothing = replace(train, labels=labels, points=train.points.iloc[:0])
    unlabelled = replace(train, labels=labels)
    for number, (cohort, sharing) in enumerate([(nothing, "true"), (nothing, "false"), (unlabelled, "false")]):
        mil = approach(f"severity.joint={sharing}", "severity.complete_only=true")
        context = make_context(tmp_path / str(number), odd.volumes)
        mil.fit(cohort, context)
        said = {text for _, text in context._notes}
        assert any(text.startswith("no study has all labels of") and "foraminal" in text for text in said)
        predictions = mil.predict(parts[1].hidden(), context)
        check(predictions)
        assert predictions.points.empty == (cohort is nothing)


@pytest.mark.parametrize("level_bias", ["true", "false"])
def test_without_a_complete_study_the_class_prior_is_predicted(odd, parts, tmp_path, level_bias: str) -> None:
    train = parts[0]
    labels = train.labels.copy()
    labels[[target.name for target in TARGETS if target.level == "l1_l2"]] = np.nan
    settings = "severity.joint=false", "severity.complete_only=true", f"severity.level_bias={level_bias}"
    mil, context = approach(*settings), make_context(tmp_path, odd.volumes)
    mil.fit(replace(train, labels=labels), context)
    probabilities = mil.predict(parts[1].hidden(), context).probabilities
    prior = prior_probabilities(replace(train, labels=labels).grades)
    for condition in CONDITIONS:
        targets = list(indices(condition))
        expected = prior[targets] if level_bias == "true" else prior[targets].mean(axis=0, keepdims=True)
        expected = np.broadcast_to(expected / expected.sum(axis=1, keepdims=True), probabilities[:, targets].shape)
        np.testing.assert_allclose(probabilities[:, targets], expected, atol=1e-5)


def in_small(paper: dict[str, Any]) -> dict[str, Any]:
    """The preset ``paper`` with everything that it is but size: its heads, poolings, ensembles and sharing."""
    location, severity = paper["location"], paper["severity"]
    location |= {"inner_folds": 2, "splits": 2}
    for network in (location["depth"], *location["more_depth"]):
        network |= {"depth": 16, "size": (64, 64), "widths": (4, 8, 8, 8), "depths": (1, 1, 1, 1)}
    points = [location["sagittal"], *location["more_sagittal"], location["axial"], *location["more_axial"]]
    for network in points:
        network["size"] = (48, 48)
    for window in severity["windows"].values():
        window["size"] = (32, 40)
    for network in (*points, severity, *severity["more"]):
        network |= {"backbone": "test_resnet", "pretrained": False}
    for network in (location["depth"], *location["more_depth"], *points, severity, *severity["more"]):
        network["schedule"]["epochs"] = 1
    return paper


@pytest.mark.slow
def test_the_paper_s_way_runs_in_small_on_everything_odd(odd, parts, tmp_path) -> None:
    _, text = configuration.resolve(PLUGIN, MIL.Config, preset="paper")
    mil = MIL(MIL.Config.model_validate(in_small(json.loads(text))))
    stages = make_context(tmp_path / "first", odd.volumes)
    mil.fit(parts[0], stages)
    assert mil.locator is not None
    assert len(mil.locator.networks.trained) == 2 * (2 * 3 + 2 * 2 + 1)
    assert len(mil.networks) == 2 * 3
    context = make_context(tmp_path / "second", odd.volumes)
    predictions = mil.predict(parts[1].hidden(), context)
    check(predictions)
    assert set(predictions.points["condition"]) == set(parts[1].points["condition"])
    mil.save(tmp_path / "saved")
    again = MIL.load(tmp_path / "saved", mil.config).predict(parts[1].hidden(), context)
    np.testing.assert_allclose(predictions.probabilities, again.probabilities, atol=1e-6)


def test_a_single_study_can_be_learnt_from(odd, parts, tmp_path) -> None:
    mil, context = approach(), make_context(tmp_path, odd.volumes)
    mil.fit(parts[0].subset(parts[0].study_ids[:1]), context)
    check(mil.predict(parts[1].hidden(), context))


@pytest.fixture
def on_meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, set[str]]]]:
    """Lets the meta device stand in for a GPU: of every network that is asked, its name and the devices of its weights.

    Nothing can be computed there, so every network's output is replaced by numbers of the same shape.
    """
    asked: list[tuple[str, set[str]]] = []

    def before(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, NETWORKS):
            images = inputs[0].values() if isinstance(inputs[0], dict) else inputs
            devices = {tensor.device.type for tensor in (*module.state_dict().values(), *images)}
            asked.append((type(module).__name__, devices))

    def after(module: nn.Module, inputs: Any, outputs: Any) -> Any:
        if isinstance(module, SeverityNet):
            return {one: Grades(numbers(it.logits), {}, on_cpu(it.attention), {}) for one, it in outputs.items()}
        return numbers(outputs) if isinstance(module, NETWORKS) else None

    def numbers(tensor: torch.Tensor) -> torch.Tensor:
        return torch.full(tensor.shape, 0.5)

    def on_cpu(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: numbers(tensor) for name, tensor in tensors.items()}

    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # the meta device has none
    hooks = [
        torch.nn.modules.module.register_module_forward_pre_hook(before),
        torch.nn.modules.module.register_module_forward_hook(after),
    ]
    yield asked
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_resumed_job_predicts_on_its_device(odd, parts, fitted, tmp_path, on_meta, resumed: bool) -> None:
    mil = fitted
    if resumed:
        fitted.save(tmp_path / "saved")
        mil = MIL.load(tmp_path / "saved", fitted.config)
    context = make_context(tmp_path / "job", odd.volumes)
    context.device = "meta"
    check(mil.predict(parts[1].hidden(), context))
    assert {name for name, _ in on_meta} == {"DepthNet", "HeatmapPoints", "SeverityNet"}
    assert all(devices == {"meta"} for _, devices in on_meta)


class KilledError(BaseException):
    pass


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("split0-foramina-depth0", marks=pytest.mark.slow),
        pytest.param("split0-sagittal-points0", marks=pytest.mark.slow),
        "severity0-",
    ],
)
def test_a_fit_killed_in_any_stage_ends_as_if_it_had_not_been(odd, parts, fitted, tmp_path, monkeypatch, stage) -> None:
    context = make_context(tmp_path, odd.volumes)
    plain = type(context).progress

    def die(self: Any, name: str, **what: Any) -> None:
        if name.startswith(stage):
            raise KilledError
        plain(self, name, **what)

    with monkeypatch.context() as patch:
        patch.setattr(type(context), "progress", die)
        with pytest.raises(KilledError):
            approach().fit(parts[0], context)
    again = approach()
    again.fit(parts[0], make_context(tmp_path, odd.volumes))
    first = fitted.predict(parts[1].hidden(), context).probabilities
    np.testing.assert_array_equal(first, again.predict(parts[1].hidden(), context).probabilities)


def test_stage_two_learns_from_annotators_and_errors_are_those_of_strangers(odd, parts, tmp_path, monkeypatch) -> None:
    taught: list[set[int]] = []
    shown: list[set[int]] = []
    asked: list[set[int]] = []
    trained_on = []
    train_slices, train_points = slice_stage.train_slices, point_stage.train_points
    locate, train_severity = location.Locator.locate, severity.train_severity
    owner = {one.series_id: study.study_id for study in parts[0].studies for one in study.series}

    def spy_slices(studies: Any, *rest: Any) -> Any:
        taught.append({study.study_id for study in studies})
        return train_slices(studies, *rest)

    def spy_points(slices: Any, *rest: Any, **options: Any) -> Any:
        shown.append({owner[one.series.series_id] for one in slices})
        return train_points(slices, *rest, **options)

    def spy_locate(self: Any, studies: Any, *rest: Any, **options: Any) -> Any:
        asked.append({study.study_id for study in studies})
        return locate(self, studies, *rest, **options)

    def spy_severity(studies: Any, keypoints: Any, *rest: Any) -> Any:
        trained_on.append(keypoints)
        return train_severity(studies, keypoints, *rest)

    monkeypatch.setattr(slice_stage, "train_slices", spy_slices)
    monkeypatch.setattr(point_stage, "train_points", spy_points)
    monkeypatch.setattr(location.Locator, "locate", spy_locate)
    monkeypatch.setattr("bench.approaches.mil.approach.train_severity", spy_severity)
    approach("location.splits=2").fit(parts[0], make_context(tmp_path, odd.volumes))
    everyone = set(parts[0].study_ids.tolist())
    assert len(asked) == 2
    for split, strangers in enumerate(asked):
        assert strangers | taught[2 * split] == everyone
        assert not strangers & taught[2 * split]
        assert all(len(studies) and not strangers & studies for studies in shown[2 * split : 2 * split + 2])
    assert len(shown) == 4  # the sagittal network and the one for the recesses, of two splits
    true = read_keypoints(parts[0], lambda *_: None)
    for known in ("pixels", "slices", "series"):
        np.testing.assert_array_equal(getattr(trained_on[0], known), getattr(true, known))


def test_an_unknown_network_is_told_before_any_training(odd, parts, tmp_path, monkeypatch) -> None:
    context = make_context(tmp_path, odd.volumes)
    monkeypatch.setattr(type(context), "stage", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(UsageError, match="Did you mean 'test_resnet'"):
        approach("severity.backbone=test_resnets").fit(parts[0], context)


def test_studies_without_any_series_of_use_are_skipped(parts) -> None:
    bare = tuple(replace(study, series=()) for study in parts[0].studies)
    assert "no study has" in str(approach().skip(Cohort(bare)))
    assert approach().skip(parts[0].hidden()) is None
