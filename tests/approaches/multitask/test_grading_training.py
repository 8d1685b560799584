from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.approaches.multitask import fitting
from bench.approaches.multitask.fitting import unmarked_views
from bench.approaches.multitask.grading_data import GradeBatches
from bench.approaches.multitask.grading_training import GradingTask, objectives, train_grading
from bench.approaches.multitask.model import MultitaskNet
from bench.approaches.multitask.views import VIEWS
from bench.data.keypoints import read_keypoints
from bench.targets import AXIAL_T2
from bench.testing import make_context


@pytest.fixture
def fit(approach, job_at, parts, tmp_path, monkeypatch):
    """Fits on a few studies; returns the approach, the task of its last network, and what was said of progress."""

    def run(*overrides: str, studies: int = 8, train=None) -> tuple[Any, GradingTask, list[dict]]:
        cohort = parts[0].subset(parts[0].study_ids[:studies]) if train is None else train
        context = job_at(tmp_path / str(len(list(tmp_path.iterdir()))))
        tasks, told = [], []
        plain = type(context).progress

        def progress(self: Any, stage: str, **what: Any) -> None:
            told.append({"stage": stage, **what})
            plain(self, stage, **what)

        def spy(task: GradingTask, *rest: Any, **more: Any) -> MultitaskNet:
            tasks.append(task)
            return train_grading(task, *rest, **more)

        monkeypatch.setattr(type(context), "progress", progress)
        monkeypatch.setattr(fitting, "train_grading", spy)
        multitask = approach(*overrides)
        multitask.fit(cohort, context)
        return multitask, tasks[0], [one for one in told if one["stage"] == "multitask" and one.get("losses")]

    return run


def test_the_classifier_keeps_the_size_that_it_was_trained_at(fit, odd, parts, tmp_path) -> None:
    multitask, _, _ = fit()
    assert int(multitask.model.classifier.size) == 48  # 32 in the first epoch, 48 in the second
    multitask.save(tmp_path / "saved")
    again = type(multitask).load(tmp_path / "saved", multitask.config)
    assert int(again.model.classifier.size) == 48


def test_complete_studies_come_first(fit, parts) -> None:
    points = parts[0].points
    some = parts[0].subset(parts[0].study_ids[:10])
    known = read_keypoints(some, lambda *_: None).known.all(axis=1) & (some.grades >= 0).all(axis=1)
    assert 0 < known.sum() < len(some), "the odd studies should hold complete and incomplete ones"
    assert len(points)
    _, task, told = fit("classifier.complete_first=1", "classifier.schedule.batch_size=1", train=some)
    complete = task.keypoints.known.all(axis=1) & (task.grades >= 0).all(axis=1)
    assert [one["steps"] for one in told] == [complete.sum(), len(some)]


def test_in_one_loop_both_losses_have_an_optimizer_and_the_grades_do_not_reach_the_localiser(fit) -> None:
    multitask, task, told = fit("training=one_loop")
    assert {"keypoints.loss", "keypoints.distance", "grades.loss"} <= set(told[-1]["losses"])
    names = [one.parts for one in objectives(task, task.upscaler, multitask.config.keypoints, joint=False)]
    assert names == [("locator",), ("classifier",)]
    assert multitask.model.locator is not None


def one_batch(fit, task: GradingTask, multitask: Any, odd, tmp_path) -> Any:

    from bench.approaches.multitask.keypoint_data import KeypointBatches

    context = make_context(tmp_path / "batch", odd.volumes)
    config = multitask.config.keypoints
    frames = KeypointBatches(task.studies, task.keypoints, task.frames, config, context, 0, unmarked=task.unmarked)
    (batch, _), *_ = GradeBatches(task.reader, task.keypoints, task.grades, task.rows, 0, frames=frames).epoch(1)
    return batch


@pytest.mark.parametrize("joint", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_gradient_of_the_grades_reaches_the_localiser_only_if_asked_for(fit, odd, tmp_path, joint: bool) -> None:
    multitask, task, _ = fit("training=one_loop", f"joint_gradient={'true' if joint else 'false'}")
    batch = one_batch(fit, task, multitask, odd, tmp_path)
    batch.frames.points.update({kind: torch.full_like(one, torch.nan) for kind, one in batch.frames.points.items()})
    model = multitask.model.train()
    made = objectives(task, task.upscaler, multitask.config.keypoints, joint=joint)
    for one in made:
        losses = one.loss(model, batch)
    assert float(losses["loss"].detach()) > 0
    losses["loss"].backward()
    reached = [p.grad is not None and bool(p.grad.any()) for p in model.locator.parameters()]
    assert any(reached) == joint  # without known points the localiser's own loss is 0


def test_in_one_loop_missing_points_are_those_that_the_localiser_finds(fit, odd, parts, tmp_path) -> None:
    from bench.approaches.multitask.one_loop import found_keypoints, keypoint_objective

    ids = parts[0].study_ids[:6].tolist()
    points = parts[0].points
    train = parts[0].subset(ids)
    train = type(train)(train.studies, train.labels, points[points["study_id"].isin(ids[1:])].reset_index(drop=True))
    multitask, task, _ = fit("training=one_loop", train=train)
    batch = one_batch(fit, task, multitask, odd, tmp_path)
    keypoint_objective()(multitask.model, batch)
    found = found_keypoints(batch, task.keypoints)
    known = task.keypoints.known
    np.testing.assert_array_equal(found.pixels[known], task.keypoints.pixels[known])
    gained = found.known & ~known
    assert set(np.flatnonzero(gained.any(axis=1)).tolist()) <= set(batch.rows.tolist())
    assert 0 in task.unmarked
    if 0 in batch.rows:
        assert gained[0].any()


def test_images_without_points_are_shown_on_selected_slices(fit, job_at, parts, tmp_path) -> None:
    multitask, _, _ = fit()
    few = parts[0].subset(parts[0].study_ids[:4])
    keypoints = read_keypoints(few, lambda *_: None)
    axial = [index for index, view in enumerate(VIEWS) if view.kind == AXIAL_T2]
    gone = [target for index in axial for target in VIEWS[index].targets]
    keypoints.series[1, gone] = keypoints.slices[1, gone] = -1
    context = job_at(tmp_path / "views")
    found = unmarked_views(keypoints, few.studies, multitask.parts.selector, context)
    shown = {one.view for one in found.get(1, [])}
    assert shown <= set(axial)
    assert all(np.isnan(one.pixels).all() for views in found.values() for one in views)
    if few.studies[1].axial_t2:
        assert shown


def test_validation_studies_are_not_trained_on_and_the_best_epoch_is_kept(fit) -> None:
    multitask, task, told = fit(
        "classifier.validation_folds=3",
        "classifier.schedule.epochs=3",
        "classifier.schedule.early_stopping={patience=3}",
    )
    assert len(task.validation)
    assert not set(task.rows) & set(task.validation)
    assert len(task.rows) + len(task.validation) == len(task.studies)
    losses = [one["losses"]["validation.loss"] for one in told]
    best = int(np.argmin(losses)) + 1
    assert int(multitask.model.classifier.size) == (32 if best == 1 else 48)


@pytest.mark.slow
def test_stale_points_change_the_validation_alone(fit, odd, tmp_path) -> None:
    settings = "classifier.validation_folds=3", "classifier.schedule.epochs=2"
    _, _, plain = fit(*settings)
    _, _, stale = fit(*settings, "defects.stale_validation=true")
    for before, after in zip(plain, stale, strict=True):
        assert before["losses"]["loss"] == after["losses"]["loss"]
        assert before["losses"]["validation.loss"] != after["losses"]["validation.loss"]


@pytest.mark.slow
def test_in_one_loop_validation_adds_up_both_losses(fit) -> None:
    _, _, told = fit("training=one_loop", "classifier.validation_folds=3")
    values = told[-1]["losses"]
    parts = values["validation.keypoints"], values["validation.grades"]
    assert values["validation.loss"] == pytest.approx(sum(parts))


@pytest.mark.slow
def test_the_curriculum_begins_with_complete_studies_and_freezes_the_heads_in_the_end(fit, parts) -> None:
    train = parts[0].subset(parts[0].study_ids[:10])
    settings = "keypoints.schedule.epochs=3", "keypoints.schedule.batch_size=1", "keypoints.network.head=mlp"
    settings += ("keypoints.network.hidden=[8]", "training=one_loop", "classifier.schedule.epochs=3")
    settings += ("classifier.schedule.batch_size=1",)
    _, _, told = fit(*settings, "keypoints.curriculum={all_below=1e-9}", train=train)
    first = told[0]["steps"]
    assert [one["steps"] for one in told] == [first] * 3
    assert 0 < first < len(train)
    _, _, told = fit(*settings, "keypoints.curriculum={all_below=1e9, freeze_below=1e9}", train=train)
    assert [one["steps"] for one in told] == [first, len(train), len(train)]


def test_batches_that_are_read_together_are_those_that_each_study_alone_would_give(fit) -> None:
    settings = "classifier.augmentation.mirror.probability=0", "classifier.augmentation.shift_slices=false"
    _, task, _ = fit(*settings, "classifier.augmentation.jitter=0", "classifier.schedule.batch_size=3")
    batches = GradeBatches(task.reader, task.keypoints, task.grades, task.rows, 0)
    seen = []
    for batch, count in batches.epoch(1):
        assert batch.crops is not None
        assert count == sum(len(one) for one in batch.crops.images.values())
        np.testing.assert_array_equal(batch.grades.numpy(), task.grades[batch.rows])
        np.testing.assert_array_equal(batches.last_rows, batch.rows)
        alone = task.reader.read(batch.rows, task.keypoints, np.random.default_rng(0))
        np.testing.assert_array_equal(batch.crops.own, alone.own)
        for name, images in alone.images.items():
            torch.testing.assert_close(batch.crops.images[name], images)
            np.testing.assert_array_equal(batch.crops.present[name], alone.present[name])
            np.testing.assert_array_equal(batch.crops.read[name].slices, alone.read[name].slices)
        seen += batch.rows.tolist()
    assert sorted(seen) == task.rows.tolist()
