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
from bench.jobs.events import Event, Stopped
from bench.jobs.executors import LocalExecutor, order_json
from bench.jobs.order import Order
from bench.jobs.process import JobProcess
from bench.jobs.stopping import EXIT_STOPPED, Limit, TimeUp, duration_s, how_to_go_on, is_over
from bench.jobs.worker import EXIT_FAILED, EXIT_LOCKED


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


@pytest.mark.slow
@pytest.mark.parametrize("at_once", ["1", "2"])
def test_a_run_that_is_stopped_goes_on_to_the_same_predictions(
    suite: Any, tmp_path: Path, suite_at: Callable[..., Any], at_once: str
) -> None:
    """The same command again and again, each time with two seconds more, until it is done."""
    whole = suite_at(tmp_path / "whole")
    whole.run("--set", "epochs=12")
    codes: list[int] = []
    while not codes or codes[-1] == 3:
        limit = ["--jobs", at_once, "--stop-after", f"{4 + 2 * len(codes)}s"]
        process = suite.start("--set", "epochs=12", "--set", "seconds=0.5", *limit)
        output = process.communicate(timeout=120)[0]
        assert "Traceback" not in output
        codes.append(process.returncode)
        if codes[-1] == 3:
            assert "to go on: bench run --approach brightness" in " ".join(output.split())
            assert not list(suite.out.rglob("*.lock"))
            assert not list(suite.out.rglob("failed.json"))
    assert codes[-1] == 0
    assert len(codes) > 1
    predictions = ([one for _, one in sorted(each.predictions().items())] for each in (suite, whole))
    assert next(predictions) == next(predictions)


def test_a_worker_whose_time_is_over_says_so_with_its_own_exit_code(workbench: Any) -> None:
    (job,) = workbench.prepare().jobs
    process = JobProcess(order_json(workbench.order(job, stop_at=1.0)), 1, {})
    assert list(process.events()) == [Stopped("at its last checkpoint (--stop-after)")]
    assert process.wait() == EXIT_STOPPED
    assert EXIT_STOPPED not in (EXIT_FAILED, EXIT_LOCKED)
    assert not workbench.files(job).failed.exists()


def test_a_run_that_is_done_in_time_is_done(suite: Any) -> None:
    assert "--stop-after" not in suite.run("--fold", "0", "--stop-after", "10m")


def test_a_job_without_a_checkpoint_is_ended_after_the_grace(workbench: Any) -> None:
    """Its only epoch takes ten minutes."""
    asked = workbench.asking(overrides=["epochs=1", "seconds=600"])
    (job,) = asked.prepare().jobs
    now = time.time()
    order = asked.order(job, stop_at=now + 300, end_at=now + 3)
    told: list[Event] = []
    LocalExecutor(slots=1, threads=1).run([order], lambda order, event: told.append(event))
    assert isinstance(told[-1], Stopped)
    assert told[-1].reason.startswith("reached no checkpoint within")
    assert not any(event.is_last for event in told[:-1])
    assert not asked.files(job).is_running()


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
