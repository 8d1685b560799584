from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.approach import Config, Context, SharedContext
from bench.data.cohort import Cohort
from bench.errors import UsageError
from bench.imaging.study import Study
from bench.jobs.clock import Clock, Spent
from bench.jobs.context import JobContext
from bench.jobs.history import Notes
from bench.targets import SEVERITIES, TARGET_NAMES
from bench.testing import make_context

CALLS: list[Any] = []  # what builders saw: they stand at module level and capture nothing


class Settings(Config):
    epochs: int


class Trainer:
    def train(self, train: Cohort, context: Context, config: Any) -> None: ...

    __call__ = train


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


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def train_weights(train: Cohort, context: Context, config: Any) -> None:
    CALLS.append((len(train), config))
    (context.folder / "weights.npy").write_bytes(b"x")


def compute(train: Cohort, context: Context, config: Any) -> None:
    CALLS.append("computed")
    context.note(1, "short series")
    context.progress("deep", epoch=1, epochs=1, step=1, steps=1, losses={"l": 1.0})
    end = time.process_time() + 0.4
    while time.process_time() < end:
        pass


def compute_with_more(train: Cohort, context: Context, config: Any) -> None:
    context.stage("inner", {}, train, compute)
    context.shared("features", {}, train, measure)


def fail_after_an_epoch(train: Cohort, context: Context, config: Any) -> None:
    state = context.resume / "epoch.json"
    CALLS.append(state.read_text() if state.exists() else "anew")
    if len(CALLS) == 1:
        context.note(3, "noted in the epoch that is not trained again")
        state.write_text("3")
        raise RuntimeError("killed")
    (context.folder / "weights.npy").write_bytes(b"x")


def measure(studies: tuple[Study, ...], context: SharedContext, config: Any) -> None:
    CALLS.append((studies, context, config))
    context.progress(1, 2)
    compute_until = time.process_time() + 0.03
    while time.process_time() < compute_until:
        pass
    (context.folder / "x.npy").write_bytes(b"x")


def another(context: JobContext, name: str, **changes: Any) -> JobContext:
    """The context of another job on the same data."""
    folder = context.folder.with_name(name)
    folder.mkdir()
    identity = {**context.identity, "job": name}
    fresh = {"charged": {}, "_notes": Notes(), "_obtained": {}, "folder": folder, "identity": identity}
    return replace(context, **{**fresh, **changes})


def test_stage_is_keyed_by_config_studies_seed_and_data(context: JobContext) -> None:
    train = cohort(6)
    first = context.stage("points", {"epochs": 2}, train, train_weights)
    assert (first / "weights.npy").exists()
    assert not (first / "resume").exists()
    assert CALLS == [(6, {"epochs": 2})]
    assert context.stage("points", {"epochs": 2}, train, train_weights) == first
    others = [
        context.stage("points", {"epochs": 3}, train, train_weights),
        context.stage("points", {"epochs": 2}, train.subset([0, 1]), train_weights),
    ]
    for key in ("seed", "data", "approach"):
        other = replace(context, identity={**context.identity, key: "another"})
        others.append(other.stage("points", {"epochs": 2}, train, train_weights))
    assert len({first, *others}) == 6
    assert len(CALLS) == 6


def test_a_model_is_a_configuration_as_a_mapping_is(context: JobContext) -> None:
    folder = context.stage("points", Settings(epochs=2), cohort(6), train_weights)
    assert [(6, Settings(epochs=2))] == CALLS
    assert context.stage("points", {"epochs": 2}, cohort(6), train_weights) == folder
    with pytest.raises(UsageError, match=r"config of 'points': .* Give a pydantic model"):
        context.stage("points", {"epochs": {1, 2}}, cohort(6), train_weights)


def test_another_fold_of_the_same_seed_shares_no_stage_only_by_its_studies(context: JobContext) -> None:
    train = cohort(6)
    other_fold = replace(context, identity={**context.identity, "fold": 1})
    assert context.stage("s", {}, train, train_weights) == other_fold.stage("s", {}, train, train_weights)


def test_what_is_no_function_at_module_level_is_refused_with_the_cure(context: JobContext) -> None:
    def nested(train: Cohort, context: Context, config: Any) -> None: ...

    for build in (nested, lambda *_: None, Trainer.train, Trainer().train, partial(train_weights), Trainer()):
        with pytest.raises(UsageError, match=r"must be a function at module level.*Write `def build"):
            context.stage("s", {}, cohort(4), build)
        with pytest.raises(UsageError, match="must be a function at module level"):
            context.shared("s", {}, cohort(4), build)


def test_each_job_that_uses_a_stage_is_charged_once_whoever_built_it(context: JobContext) -> None:
    clock = context.clock = Clock(context.resume / "clock.json")
    train = cohort(4)
    for _ in range(2):
        path = context.stage("s", {}, train, compute)
    own = Spent.of(clock.seconds(), {})
    assert own.cpu < 0.2  # the job's own clock stood still
    assert context.charged[path.name].cpu >= 0.4
    assert Spent.of(clock.seconds(), context.charged).cpu >= 0.4
    other = another(context, "other", clock=None)
    again = another(context, "again", identity=context.identity, clock=None)  # the same job, done anew
    for job in (other, again):
        job.stage("s", {}, train, compute)
        assert job.charged == context.charged
        assert pd.read_csv(job.folder / "history.csv")["stage"].tolist() == ["deep"]
        job.write_notes()
        assert pd.read_csv(job.folder / "notes.csv")["note"].tolist() == ["short series"]
    assert CALLS == ["computed"]


def test_what_a_stage_uses_in_turn_is_charged_once_with_shared_work_listed_apart(context: JobContext) -> None:
    train = cohort(4)
    inner = context.stage("inner", {}, train, compute)
    outer = context.stage("outer", {}, train, compute_with_more)
    assert len(context.charged) == 3
    assert context.charged[outer.name].cpu < 0.2
    assert context.charged[inner.name].cpu >= 0.4
    other = another(context, "other")
    other.stage("outer", {}, train, compute_with_more)
    assert other.charged == context.charged
    spent = Spent.of({"wall": 1.0, "cpu": 1.0}, other.charged)
    assert 0.03 <= spent.shared_cpu < spent.cpu - 1.05
    assert spent.wall == pytest.approx(1.0 + sum(charge.wall for charge in other.charged.values()))


def test_stage_that_fails_is_not_kept_but_can_be_taken_up_with_its_notes(context: JobContext) -> None:
    with pytest.raises(RuntimeError):
        context.stage("s", {}, cohort(4), fail_after_an_epoch)
    assert not list(context.stages.glob("*/stage.json"))
    context.stage("s", {}, cohort(4), fail_after_an_epoch)
    assert CALLS == ["anew", "3"]
    assert len(list(context.stages.glob("*/stage.json"))) == 1
    assert list(context._notes) == [(3, "noted in the epoch that is not trained again")]


def test_force_trains_a_stage_anew_once_per_run(context: JobContext) -> None:
    train = cohort(4)
    first = another(context, "first", run_id="monday")
    path = first.stage("s", {}, train, train_weights)
    another(context, "unforced", run_id="tuesday").stage("s", {}, train, train_weights)
    assert len(CALLS) == 1
    told: list[str] = []
    for name in ("second", "third"):
        forced = another(
            context, name, run_id="tuesday", force=True, emit=lambda _, **what: told.append(what.get("reason", ""))
        )
        forced.stage("s", {}, train, train_weights)
    assert len(CALLS) == 2
    assert "stage s: it is from another run, and --force was given; kept as" in "".join(told)
    assert json.loads((path / "stage.json").read_text())["run_id"] == "tuesday"
    assert len(list(context.stages.glob("replaced/*/weights.npy"))) == 1


def test_shared_work_is_built_once_from_bare_studies_and_never_sees_the_job(context: JobContext) -> None:
    train = replace(cohort(4), points=pd.DataFrame({"study_id": [1]}))
    folders = {context.shared("features", {"size": 3}, train, measure) for _ in range(2)}
    other = replace(context, identity={**context.identity, "seed": 5, "fold": 2}, force=True, run_id="x", _obtained={})
    folders.add(other.shared("features", {"size": 3}, train, measure))
    assert len(folders) == len(CALLS) == 1
    studies, offered, config = CALLS[0]
    assert studies == train.studies
    assert config == {"size": 3}
    assert not {"seed", "identity", "inner_folds", "stage", "note"} & set(dir(offered))
    assert (folders.pop() / "x.npy").exists()
    context.shared("features", {"size": 3}, train.subset([0, 1]), measure)
    assert len(CALLS) == 2


def test_names_that_would_leave_the_folder_are_refused(context: JobContext) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        context.stage("../x", {}, cohort(4), train_weights)


def test_silent_context_leaves_no_trace(context: JobContext) -> None:
    silent = context.silent()
    silent.note(1, "x")
    silent.progress("s", epoch=1, epochs=1, step=1, steps=1)
    context.write_notes()
    assert not (context.folder / "history.csv").exists()
    assert len(pd.read_csv(context.folder / "notes.csv")) == 0
