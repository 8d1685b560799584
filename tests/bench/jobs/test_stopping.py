"""`--stop-after`: a run ends at the next checkpoint, and the same command ends with the bytes of an undisturbed run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from bench.cli import main
from bench.errors import UsageError
from bench.jobs import runner, stopping
from bench.jobs.events import Event
from bench.jobs.order import Order
from bench.jobs.stopping import Limit, TimeUp, duration_s, how_to_go_on, is_over

SLOW = ["--set", "epochs=12", "--set", "seconds=0.4"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("8h", 28800), ("90m", 5400), ("30s", 30), ("1h30m", 5400), ("1.5h", 5400), ("1h1m1s", 3661)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "8 hours", "-1h", "0s", "30m1h", "1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="such as 8h, 90m, 30s or 1h30m"):
        duration_s(text)


def test_the_grace_is_a_tenth_of_the_limit_within_bounds() -> None:
    assert [Limit(after, 0.0).grace_s for after in ("30s", "1h", "8h")] == [10, 360, 1800]
    limit = Limit("1h", 100.0)
    assert (limit.stop_at, limit.end_at) == (3700, 4060)
    assert [is_over(None), is_over(time.time() - 1), is_over(time.time() + 60)] == [False, True, False]


def test_the_command_to_go_on_with_is_the_same_without_force() -> None:
    assert how_to_go_on("bench run --approach mil --force --stop-after 8h") == (
        "bench run --approach mil --stop-after 8h"
    )


@pytest.mark.parametrize("share", ["true", "false"])
def test_a_job_that_is_stopped_everywhere_ends_with_the_same_bytes(
    workbench: Any, tmp_path: Path, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt ends one check later than the one before: at its first one, its second one and so on."""
    asked = workbench.asking(overrides=["epochs=6", f"share_stage={share}", f"share_work={share}"])
    whole = asked.asking(out=tmp_path / "whole")
    (job,) = asked.prepare().jobs
    whole.prepare()
    whole.execute(job)
    attempts, stops = 0, 0
    while not asked.files(job).done.exists():
        attempts += 1
        checks = itertools.count(1)
        monkeypatch.setattr(stopping, "time", SimpleNamespace(time=lambda checks=checks: float(next(checks))))
        with suppress(TimeUp):
            asked.execute(job, stop_at=float(attempts))
            continue
        stops += 1
        assert asked.survey()[0].status == "interrupted"
    assert stops >= 3
    for name in ("predictions.csv", "predictions_true_points.csv", "notes.csv"):
        assert (asked.files(job).path / name).read_bytes() == (whole.files(job).path / name).read_bytes(), name
    history = pd.read_csv(asked.files(job).path / "history.csv")
    pd.testing.assert_frame_equal(history, pd.read_csv(whole.files(job).path / "history.csv"))
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_run_that_is_stopped_goes_on_to_the_same_predictions(
    suite: Any, tmp_path: Path, suite_at: Callable[..., Any]
) -> None:
    whole = suite_at(tmp_path / "whole")
    whole.run("--set", "epochs=12")
    whole_predictions = [one for _, one in sorted(whole.predictions().items())]
    output = suite.run(*SLOW, "--jobs", "1", "--stop-after", "4s", code=3)
    assert "stopped after 4s (--stop-after): 0 done, 1 stopped, 1 not begun" in output
    assert "to go on: bench run --approach brightness" in " ".join(output.split())
    assert "Traceback" not in output
    assert len(list(suite.out.rglob("fold?"))) == 1  # the second job was not begun
    assert not list(suite.out.rglob("*.lock"))
    assert not list(suite.out.rglob("failed.json"))
    epochs = len(pd.read_csv(next(suite.out.rglob("history.csv"))))
    assert 0 < epochs < 12
    suite.run(*SLOW)
    assert [job.status for job in suite.jobs()] == ["done", "done"]
    assert [one for _, one in sorted(suite.predictions().items())] == whole_predictions


def test_several_jobs_at_once_all_stop(suite: Any) -> None:
    output = suite.run(*SLOW, "--jobs", "2", "--stop-after", "5s", code=3)
    assert "0 done, 2 stopped, 0 not begun" in output
    assert [job.status for job in suite.jobs()] == ["interrupted"] * 2


def test_a_run_that_is_done_in_time_is_done(suite: Any) -> None:
    assert "--stop-after" not in suite.run("--fold", "0", "--stop-after", "10m")


def test_a_job_without_a_checkpoint_is_ended_after_the_grace(workbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of a minute; the whole grace is 2 s here."""
    monkeypatch.setattr("bench.jobs.stopping._LEAST_GRACE_S", 2.0)
    asked = workbench.asking(overrides=["epochs=1", "seconds=60"])
    jobs = asked.prepare().jobs
    told: list[Event] = []
    limited = replace(asked.request, limit=Limit.of("2s"), jobs=1)
    began = time.monotonic()
    outcome = runner.run(limited, jobs, lambda order, event: told.append(event))
    assert time.monotonic() - began < 30
    ((job, reason),) = outcome.stopped
    assert reason.startswith("reached no checkpoint within 2 s after --stop-after")
    assert job == jobs[0]
    assert told[-1].is_last
    assert asked.survey()[0].status == "interrupted"


def test_nothing_is_begun_once_the_time_is_over(workbench: Any) -> None:
    jobs = workbench.prepare().jobs
    request = replace(workbench.request, limit=Limit("1s", time.time() - 10))
    began: list[Order] = []
    outcome = runner.run(request, jobs, lambda order, event: began.append(order))
    assert (began, outcome.not_begun, outcome.is_unfinished) == ([], list(jobs), True)


def test_preparation_ends_after_a_series(
    capsys: pytest.CaptureFixture[str], suite_at: Callable[..., Any], tmp_path: Path
) -> None:
    suite = suite_at(tmp_path, tmp_path / "cache")
    with pytest.raises(SystemExit) as ended:
        main(suite.arguments("--stop-after", "0.001s"))
    assert ended.value.code == 3
    output = " ".join(capsys.readouterr().out.split())
    assert "while preparing the data; what is read is kept" in output
    assert not list(suite.out.rglob("fold?"))
    suite.run("--fold", "0")


def test_a_wrong_duration_is_wrong_use(capsys: pytest.CaptureFixture[str], suite: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(suite.arguments("--stop-after", "8"))
    assert ended.value.code == 2
    assert "--stop-after '8': choose a duration above 0" in " ".join(capsys.readouterr().err.split())
