"""A job in this process: what it trusts, what it does anew, and what it hands on."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from bench import testing
from bench.errors import BenchError
from bench.files.locks import Lock
from bench.jobs import plan
from bench.jobs.execute import seed_everything
from bench.jobs.executors import order_json
from bench.jobs.result import Result
from bench.jobs.runner import run

EditSource = Callable[[str], None]


def test_a_killed_job_with_a_deleted_job_file_starts_anew(workbench, edit_source: EditSource) -> None:
    """What the advice to delete a file leaves: an old checkpoint must not be scored under a new fingerprint."""
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    files.done.unlink()
    files.job.unlink()
    (files.checkpoint / "means.json").write_text("[1e6, 0, 0]")
    edit_source("source of brightness")
    assert workbench.execute(job) == "done"
    assert [event["reason"] for event in workbench.said("stale")] == ["it has no job.json"]
    assert json.loads((files.checkpoint / "means.json").read_text())[0] < 1e5
    assert len(list(files.split.path.rglob("replaced/*/fitted.json"))) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_a_stale_result_is_set_aside(
    workbench, edit_source: EditSource, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The rename is the one moment: a kill before it leaves all in place, after it nothing."""
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    (files.checkpoint / "means.json").write_text("[1e6, 0, 0]")
    edit_source("source of brightness")
    real = Path.rename

    def killed(path: Path, target: Path) -> None:
        if moment == "after":
            real(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        workbench.execute(job)
    monkeypatch.setattr(Path, "rename", real)
    assert files.path.exists() == (moment == "before")
    assert workbench.execute(job) == "done"
    assert json.loads((files.checkpoint / "means.json").read_text())[0] < 1e5
    assert Result.read(files.result).fingerprint["source of brightness"] == "edited"


@pytest.mark.parametrize("left", [{"fitted.json", "checkpoint"}, {"resume"}, {"fitted.json", "checkpoint", "resume"}])
def test_what_an_older_release_left_half_set_aside_is_not_trusted(workbench, left: set[str]) -> None:
    """It moved file by file, job.json somewhere between."""
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    expected = files.predictions.read_text()
    files.resume.mkdir()
    (files.resume / "state.json").write_text(json.dumps({"epoch": 3, "sums": [9e9, 9e9, 9e9], "seen": []}))
    (files.checkpoint / "means.json").write_text("[1e6, 0, 0]")
    for path in files.path.iterdir():
        if path.name not in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert workbench.execute(job) == "done"
    assert workbench.said("stale")[0]["reason"] == "it has no job.json"
    assert files.predictions.read_text() == expected


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 7}'])
@pytest.mark.parametrize("name", ["job", "result", "done", "failed", "fitted", "predicted"])
def test_no_damage_is_permanent(workbench, name: str, text: str) -> None:
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    expected = files.predictions.read_text()
    if name in ("fitted", "predicted", "failed"):
        files.done.unlink()
    getattr(files, name).write_text(text)
    assert workbench.execute(job) == "done"
    assert workbench.survey()[0].status == "done"
    assert files.predictions.read_text() == expected


def test_a_damaged_checkpoint_is_trained_again(workbench) -> None:
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    expected = files.predictions.read_text()
    files.done.unlink()
    (files.checkpoint / "means.json").write_text("[1e6, 0, 0]")
    assert workbench.execute(job) == "done"
    assert len(workbench.said("stale")) == 1
    assert files.predictions.read_text() == expected


def test_an_author_who_forgets_to_seed_gets_the_same_twice(tmp_path: Path, workbench) -> None:
    torch = pytest.importorskip("torch")
    context = testing.make_context(tmp_path, workbench.prepare().opened.volumes)
    drawn = []
    for _ in range(2):
        seed_everything(context)
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    other = testing.make_context(tmp_path, context.volumes, seed=1)
    seed_everything(other)
    assert random.random() != drawn[0][0]


def test_seeds_are_set_before_fit_and_before_predict(workbench, tmp_path: Path) -> None:
    plugin = tmp_path / "forgetful.py"
    plugin.write_text(FORGETFUL)
    results = []
    for name in ("first", "second"):
        random.random()
        again = workbench.asking(
            approaches=["forgetful"], out=tmp_path / name, plugins=[workbench.request.plugins[0], plugin]
        )
        (job,) = again.prepare().jobs
        sys.modules.pop("bench.approaches.forgetful", None)
        again.execute(job)
        results.append(again.files(job).predictions.read_text())
    assert results[0] == results[1]


FORGETFUL = '''
import random
import numpy as np
from bench import Approach, Predictions

class Forgetful(Approach):
    """Draws without a seed."""

    def fit(self, train, context):
        self.drawn = random.random()

    def predict(self, studies, context):
        weights = self.drawn + np.random.rand(len(studies), 25, 3)
        return Predictions(studies.study_ids, weights / weights.sum(axis=2, keepdims=True))

    def save(self, folder):
        (folder / "drawn.json").write_text(str(self.drawn))

    @classmethod
    def load(cls, folder, config):
        raise NotImplementedError
'''


def test_force_and_the_run_are_part_of_an_order(workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Executor:
        def run(self, orders, on_event) -> None:
            for order in orders:
                seen.append(order)
                on_event(order, {"event": "done", "score": 0.5})

    monkeypatch.setattr("bench.jobs.runner.make_executor", lambda *_, **__: Executor())
    forced = workbench.asking(force=True, only_folds=[0, 1])
    run(forced.request, forced.prepare().jobs, lambda *_: None)
    assert [order.force for order in seen] == [True, True]
    assert len({order.run_id for order in seen}) == 1
    run(forced.request, forced.prepare().jobs, lambda *_: None)
    assert len({order.run_id for order in seen}) == 2
    told = json.loads(order_json(seen[0]))
    assert (told["force"], told["run_id"]) == (True, seen[0].run_id)
    assert {"force", "run_id"} <= {field.name for field in fields(seen[0])}


def test_force_sets_aside_what_is_done(workbench) -> None:
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    forced = workbench.asking(force=True)
    assert plan.to_do(forced.request, forced.survey()) == [job]
    assert not workbench.files(job).path.exists()
    assert not workbench.files(job).lock.exists()


def test_a_job_that_an_older_release_works_on_is_left_alone(workbench) -> None:
    (job,) = workbench.prepare().jobs
    files = workbench.files(job)
    files.path.mkdir(parents=True)
    with Lock(files.path / "lock"):
        assert workbench.survey()[0].status == "running"
        with pytest.raises(BenchError, match="older release"):
            workbench.execute(job)
    assert workbench.execute(job) == "done"
