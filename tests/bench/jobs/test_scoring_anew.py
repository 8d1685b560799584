"""Where only the scoring changed, stored predictions are scored anew, and no kill costs a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.jobs import execute as executing
from bench.jobs import plan, result
from bench.jobs.fingerprint import SCORING
from bench.jobs.result import Result

EditSource = Callable[[str], None]


def test_where_scoring_alone_changed_stored_predictions_are_scored_anew(
    workbench, edit_source: EditSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    before, predicted = Result.read(files.result), files.predictions.stat().st_mtime_ns
    edit_source(SCORING)
    monkeypatch.setattr("bench.jobs.score.reduce", lambda terms: 42.0)
    (state,) = workbench.survey()
    assert (state.status, state.why) == ("to score anew", "changed since: scoring")
    assert plan.to_do(workbench.asking(only_missing=True).request, [state]) == []
    assert plan.to_do(workbench.request, [state]) == [job]
    monkeypatch.setattr(executing, "_fit", lambda *_: pytest.fail("trained again"))
    assert workbench.execute(job) == "done"
    assert any("scored anew" in event["stage"] for event in workbench.said("stage"))
    after = Result.read(files.result)
    assert after.score == 42.0
    assert after.fingerprint[SCORING] == "edited"
    same = set(Result.model_fields) - {"score", "parts", "true_points", "localisation", "fingerprint"}
    assert all(getattr(before, name) == getattr(after, name) for name in same)
    assert files.predictions.stat().st_mtime_ns == predicted
    assert workbench.survey()[0].status == "done"
    assert not list(files.split.path.rglob("replaced"))


@pytest.mark.parametrize("writes", range(4))
def test_a_kill_while_scoring_anew_loses_no_training(
    workbench, edit_source: EditSource, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Four files are written one after the other: mark, result, job, mark."""
    (job,) = workbench.prepare().jobs
    workbench.execute(job)
    files = workbench.files(job)
    edit_source(SCORING)
    done = []

    def killed(path: Path, text: str, _real=result.write_text) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path.name)
        _real(path, text)

    monkeypatch.setattr(result, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        workbench.execute(job)
    monkeypatch.undo()
    edit_source(SCORING)
    assert files.why_damaged() is None
    assert workbench.survey()[0].status in ("to score anew", "done")
    workbench.execute(job)
    assert workbench.survey()[0].status == "done"
    assert not list(files.split.path.rglob("replaced"))
