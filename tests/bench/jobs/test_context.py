from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.approach import Context
from bench.data.cohort import Cohort
from bench.errors import UsageError
from bench.imaging.study import Study
from bench.jobs.context import JobContext
from bench.targets import SEVERITIES, TARGET_NAMES
from bench.testing import make_context


@pytest.fixture
def context(tmp_path: Path) -> JobContext:
    return make_context(tmp_path / "job", volumes=None)


def cohort(studies: int) -> Cohort:
    rng = np.random.default_rng(0)
    labels = pd.DataFrame(rng.choice(SEVERITIES, (studies, 25)), columns=list(TARGET_NAMES), index=range(studies))
    labels.index.name = "study_id"
    return Cohort(tuple(Study(index, ()) for index in range(studies)), labels)


def test_seeds_differ_by_purpose_fold_and_seed_alone(context: JobContext) -> None:
    seeds = {context.seed("a"), context.seed("b")}
    for key, value in (("fold", 1), ("seed", 1), ("approach", "other")):
        seeds.add(replace(context, identity={**context.identity, key: value}).seed("a"))
    assert len(seeds) == 5
    assert all(0 <= seed < 2**32 for seed in seeds)
    same = replace(context, identity={**context.identity, "source": "edited", "job": "renamed"})
    assert same.seed("a") == context.seed("a")


def test_inner_folds_cover_the_training_studies(context: JobContext) -> None:
    train = cohort(20)
    pairs = context.inner_folds(train, 4)
    held_out = np.concatenate([held.study_ids for _, held in pairs])
    assert sorted(held_out) == train.study_ids.tolist()
    for inner, held in pairs:
        assert not set(inner.study_ids) & set(held.study_ids)
        assert len(inner) + len(held) == 20
        assert inner.labels is not None


def test_an_epoch_done_again_replaces_its_row(context: JobContext) -> None:
    for epoch, loss in ((1, 0.9), (2, 0.8), (2, 0.7)):
        context.progress("stage", epoch=epoch, epochs=3, step=5, steps=5, losses={"loss": loss})
        context.progress(
            "stage", epoch=epoch, epochs=3, step=1, steps=5, losses={"loss": 9.0}
        )  # within an epoch: not kept
    history = pd.read_csv(context.folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["losses"].tolist() == ['{"loss": 0.9}', '{"loss": 0.7}']


def test_notes_are_written_once(context: JobContext) -> None:
    for _ in range(2):
        context.note(7, "no T1, took T2")
    context.write_notes([(3, "slice 4 is truncated")])
    notes = pd.read_csv(context.folder / "notes.csv")
    assert notes.values.tolist() == [[3, "slice 4 is truncated", "reader"], [7, "no T1, took T2", "mine"]]


def test_stage_is_keyed_by_config_studies_seed_and_data(context: JobContext) -> None:
    built = []

    def build(inner: Context) -> None:
        built.append(1)
        (inner.folder / "weights.npy").write_bytes(b"x")

    train = cohort(6)
    first = context.stage("points", {"epochs": 2}, train, build)
    assert (first / "weights.npy").exists()
    assert not (first / "resume").exists()
    assert context.stage("points", {"epochs": 2}, train, build) == first
    others = [
        context.stage("points", {"epochs": 3}, train, build),
        context.stage("points", {"epochs": 2}, train.subset([0, 1]), build),
    ]
    for key in ("seed", "data", "approach"):
        other = replace(context, identity={**context.identity, key: "another"})
        others.append(other.stage("points", {"epochs": 2}, train, build))
    assert len({first, *others}) == 6
    assert len(built) == 6


def test_another_fold_of_the_same_seed_shares_no_stage_only_by_its_studies(context: JobContext) -> None:
    train = cohort(6)
    other_fold = replace(context, identity={**context.identity, "fold": 1})
    assert context.stage("s", {}, train, lambda _: None) == other_fold.stage("s", {}, train, lambda _: None)


def test_stage_charges_its_seconds_and_hands_on_notes_and_history(context: JobContext) -> None:
    def build(inner: Context) -> None:
        inner.note(1, "short series")
        inner.progress("deep", epoch=1, epochs=1, step=1, steps=1, losses={"l": 1.0})
        sum(i * i for i in range(2_000_000))

    train = cohort(4)
    context.stage("s", {}, train, build)
    assert context.charged == {"wall": 0.0, "cpu": 0.0}
    folder = context.folder.with_name("other")
    folder.mkdir()
    other = replace(
        context,
        folder=folder,
        identity={**context.identity, "job": "another"},
        charged={"wall": 0.0, "cpu": 0.0},
        _notes={},
    )
    other.stage("s", {}, train, build)
    assert other.charged["cpu"] > 0.01
    assert pd.read_csv(folder / "history.csv")["stage"].tolist() == ["deep"]
    other.write_notes()
    assert pd.read_csv(folder / "notes.csv")["note"].tolist() == ["short series"]


def test_stage_that_fails_is_not_kept_but_can_be_taken_up(context: JobContext) -> None:
    def fail(inner: Context) -> None:
        (inner.resume / "epoch.json").write_text("3")
        raise RuntimeError("killed")

    def go_on(inner: Context) -> None:
        assert (inner.resume / "epoch.json").read_text() == "3"

    with pytest.raises(RuntimeError):
        context.stage("s", {}, cohort(4), fail)
    assert not list(context.stages.glob("*/stage.json"))
    context.stage("s", {}, cohort(4), go_on)
    assert len(list(context.stages.glob("*/stage.json"))) == 1


def test_shared_work_is_built_once_and_never_sees_the_job(context: JobContext) -> None:
    calls: list[Any] = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "x.npy").write_bytes(b"x")

    folders = {context.shared("features", {"size": 3}, build) for _ in range(2)}
    folders.add(
        replace(context, identity={**context.identity, "seed": 5, "fold": 2}).shared("features", {"size": 3}, build)
    )
    assert len(folders) == len(calls) == 1
    assert (folders.pop() / "x.npy").exists()


def test_names_that_would_leave_the_folder_are_refused(context: JobContext) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        context.stage("../x", {}, cohort(4), lambda _: None)


def test_silent_context_leaves_no_trace(context: JobContext) -> None:
    silent = context.silent()
    silent.note(1, "x")
    silent.progress("s", epoch=1, epochs=1, step=1, steps=1)
    context.write_notes()
    assert not (context.folder / "history.csv").exists()
    assert len(pd.read_csv(context.folder / "notes.csv")) == 0
