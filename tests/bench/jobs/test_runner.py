"""The harness as a user meets it: the command line on a toy data set, with an approach that can misbehave."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.cli import main

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_a_job_stores_all_that_it_promises(suite: Any) -> None:
    output = suite.run(approach="brightness,prior")
    assert re.search(r"brightness-default fold 1: done in \d+ s, score \d", output)
    jobs = suite.jobs()
    assert [(job.approach, job.fold, job.status) for job in jobs] == [
        ("brightness", 0, "done"), ("brightness", 1, "done"), ("prior", 0, "done"), ("prior", 1, "done"),
    ]  # fmt: skip
    folder, result = jobs[0].folder, jobs[0].result
    assert re.fullmatch(
        r"toy-12-[0-9a-f]{8}/folds-2-[0-9a-f]{8}/brightness-default-[0-9a-f]{8}/seed0/fold0",
        str(folder.relative_to(suite.out)),
    )
    for name in ("history.csv", "notes.csv", "log.txt", "checkpoint/means.json", "predictions_true_points.csv"):
        assert (folder / name).exists(), name
    assert not (folder / "resume").exists()
    assert not list(suite.out.rglob("*.lock"))
    assert pd.read_csv(folder / "history.csv")["epoch"].tolist() == [1, 2, 3]
    assert (folder / "predictions.csv").read_text().startswith("row_id,normal_mild,moderate,severe\n")
    expected = {
        "schema_version",
        "status",
        "score",
        "parts",
        "config",
        "fit_seconds",
        "fit_cpu_seconds",
        "peak_memory_mb",
    }
    expected |= {"predict_seconds", "versions", "hardware", "command", "threads", "jobs_beside", "parameters"}
    assert expected <= set(result.document())
    assert result.command.startswith("bench run")
    assert (folder.parents[2] / "folds.csv").read_text().startswith("study_id,fold\n")


def test_held_out_labels_and_points_are_never_handed_over(trained: Any) -> None:
    split = pd.read_csv(next(trained.out.rglob("folds.csv"))).set_index("study_id")["fold"]
    for job in trained.jobs():
        held_out = set(split.index[split == job.fold])
        in_fit = json.loads((job.folder / "seen_in_fit.json").read_text())
        for what in ("studies", "labels", "points"):
            assert set(in_fit[what]) == set(split.index) - held_out, what
        everything = json.loads((job.folder / "all_studies.json").read_text())
        assert (set(everything["studies"]), everything["labels"], everything["points"]) == (
            set(split.index),
            None,
            None,
        )
        in_predict = json.loads((job.folder / "seen_in_predict.json").read_text())
        assert (set(in_predict["studies"]), in_predict["labels"], in_predict["points"]) == (held_out, None, None)
        true_points = json.loads((job.folder / "seen_in_predict_true.json").read_text())
        assert (set(true_points["points"]), true_points["labels"]) == (held_out, None)


def test_same_command_again_does_nothing(trained: Any) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.out.rglob("*") if path.is_file()}
    output = trained.run()
    assert "jobs: 2 (2 done)" in output
    assert {path: path.stat().st_mtime_ns for path in trained.out.rglob("*") if path.is_file()} == before


def test_stale_result_says_which_part_changed_and_is_kept_aside(suite: Any, tmp_path: Path) -> None:
    plugin = tmp_path / "brightness.py"
    plugin.write_text((PLUGINS / "brightness.py").read_text())
    suite.run(plugin=plugin)
    plugin.write_text(plugin.read_text() + "\n# another thought\n")
    output = suite.run("--only-missing", plugin=plugin)
    assert "changed since: source of brightness" in output
    assert "2 stale" in output
    assert not list(suite.out.rglob("replaced"))
    output = suite.run(plugin=plugin)
    assert "runs again: changed since: source of brightness" in output
    assert len(list(suite.out.rglob("replaced/*/predictions.csv"))) == 2
    assert [job.status for job in suite.jobs()] == ["done", "done"]


def test_result_that_was_tampered_with_is_not_reused(trained: Any) -> None:
    predictions = trained.jobs()[0].folder / "predictions.csv"
    whole = predictions.read_text()
    predictions.write_text(whole[: len(whole) // 2])
    assert trained.jobs()[0].status == "damaged"
    assert "changed since it was finished" in trained.run()
    assert predictions.read_text() == whole


def test_force_does_everything_anew(trained: Any) -> None:
    assert "done in" in trained.run("--fold", "0", "--force")
    assert len(list(trained.out.rglob("replaced/*/done"))) == 1


@pytest.mark.slow
def test_killed_at_random_moments_predictions_are_the_same(
    suite: Any, tmp_path: Path, suite_at: Callable[..., Any]
) -> None:
    slow = ["--set", "epochs=12", "--set", "seconds=0.25", "--jobs", "1"]
    whole = suite_at(tmp_path / "whole")
    whole.run(*slow)
    rng = random.Random(0)
    for kill in range(4):
        process = suite.start(*slow)
        until(
            lambda kill=kill: len(list(suite.out.rglob("state.json"))) + len(list(suite.out.rglob("done"))) > kill // 2
        )
        time.sleep(rng.uniform(0, 1.0))
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        until(lambda: not any(alive(json.loads(path.read_text())["pid"]) for path in suite.out.rglob("fold*.lock")))
    suite.run(*slow)
    assert suite.predictions() == whole.predictions()
    for job in suite.jobs():
        assert pd.read_csv(job.folder / "history.csv")["epoch"].tolist() == list(range(1, 13))
        assert job.result.fit_seconds >= 12 * 0.25 * 0.5  # a kill loses at most two seconds of the clock


def test_worker_ends_when_the_run_is_killed(suite: Any) -> None:
    process = suite.start("--set", "seconds=2", "--jobs", "1")
    until(lambda: list(suite.out.rglob("fold*.lock")))
    worker = json.loads(next(suite.out.rglob("fold*.lock")).read_text())["pid"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not alive(worker))


def test_interrupt_keeps_what_was_done(suite: Any) -> None:
    process = suite.start("--set", "seconds=1", "--jobs", "1")
    until(lambda: list(suite.out.rglob("history.csv")))
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130
    assert "Run the same command again to continue" in output
    assert "Traceback" not in output
    suite.run("--set", "seconds=1")
    assert [job.status for job in suite.jobs()] == ["done", "done"]


def test_two_runs_in_one_store_share_the_jobs(suite: Any) -> None:
    words = ["--set", "seconds=0.5", "--jobs", "1"]
    first, second = suite.start(*words), suite.start(*words)
    outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert sum(output.count("done in") for output in outputs) == 2, outputs
    assert [job.status for job in suite.jobs()] == ["done", "done"]


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        ("raise", "RuntimeError: as told"),
        ("die", "its process was killed"),
        pytest.param("not_a_number", "are no probabilities", marks=pytest.mark.slow),
        pytest.param("forget", "has no predictions", marks=pytest.mark.slow),
    ],
)
def test_one_failing_approach_takes_nothing_down(suite: Any, misbehave: str, reason: str) -> None:
    output = suite.run("--set", f"misbehave={misbehave}", "--fold", "0", code=1)
    assert reason in output
    assert "Traceback" not in output
    assert [job.status for job in suite.jobs()] == ["failed" if misbehave != "die" else "interrupted"]
    assert not suite.jobs()[0].files.result.exists()
    suite.run("--fold", "0", approach="prior")


def test_skip_is_no_failure(suite: Any) -> None:
    output = suite.run("--set", "misbehave=skip", "--fold", "0")
    assert "skipped: told to skip" in output


def test_job_timeout_fails_the_job_and_scores_nothing(suite: Any) -> None:
    output = suite.run("--set", "seconds=30", "--fold", "0", "--job-timeout", "4", code=1)
    assert "ran longer than --job-timeout 4 s" in output
    assert not list(suite.out.rglob("done"))


def test_a_shared_stage_is_trained_once_and_charged_to_each_job(suite: Any) -> None:
    words = ["--fold", "0", "--set", "share_stage=true", "--set", "seconds=0.4"]
    suite.run(*words)
    output = suite.run(*words, "--set", "misbehave=nothing")  # another configuration, the same stage
    assert "means reused" in output
    first, second = (job.result.fit_seconds for job in suite.jobs())
    assert min(first, second) >= 1.2
    assert len(list(suite.out.rglob("stage.json"))) == 1
    assert [pd.read_csv(job.folder / "history.csv")["epoch"].tolist() for job in suite.jobs()] == [[1, 2, 3]] * 2


@pytest.mark.parametrize("share", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_a_job_killed_once_it_is_fitted_ends_with_equal_notes(
    suite: Any, tmp_path: Path, suite_at: Callable[..., Any], share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--fold", "0", "--set", f"share_stage={share}"]
    whole = suite_at(tmp_path / "whole")
    whole.run(*words)
    monkeypatch.setenv("BRIGHTNESS_DIES_IN_PREDICT", "1")
    suite.run(*words, code=1)
    assert list(suite.out.rglob("fitted.json"))
    assert not list(suite.out.rglob("notes.csv"))
    monkeypatch.delenv("BRIGHTNESS_DIES_IN_PREDICT")
    suite.run(*words)
    assert suite.predictions() == whole.predictions()
    first, second = ((one.jobs()[0].folder / "notes.csv").read_bytes() for one in (suite, whole))
    assert first == second
    noted = pd.read_csv(suite.jobs()[0].folder / "notes.csv")["note"].tolist()
    epochs = [f"noted in epoch {epoch}" for epoch in (1, 2, 3)]
    assert noted[-6:] == ["noted in fit", *epochs, "first study", "noted in predict"]


@pytest.mark.slow
def test_what_was_damaged_after_a_kill_is_made_anew_by_the_same_command(
    suite: Any, tmp_path: Path, suite_at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--fold", "0", "--set", "share_stage=true", "--set", "share_work=true"]
    whole = suite_at(tmp_path / "whole")
    whole.run(*words)
    monkeypatch.setenv("BRIGHTNESS_DIES_IN_PREDICT", "1")
    suite.run(*words, code=1)
    monkeypatch.delenv("BRIGHTNESS_DIES_IN_PREDICT")
    for place in ("checkpoint/means.json", "stages/*/means.json"):
        (path,) = suite.out.rglob(place)
        path.write_text("[0, 0, 0]")
    output = suite.run(*words)
    assert "the fitted approach cannot be used: means.json has 9 bytes instead of" in output
    assert "stage means: means.json has 9 bytes instead of" in output
    assert "Traceback" not in output
    assert suite.predictions() == whole.predictions()
    (spent,) = (json.loads(path.read_text()) for path in suite.out.rglob("fitted.json") if "replaced" not in path.parts)
    assert [charge["shared"] for charge in spent["charged"].values()] == [True, False]
    assert spent["shared_wall"] < spent["wall"]


def test_train_fraction_uses_a_nested_share(suite: Any) -> None:
    suite.run("--train-fraction", ".5,1", "--fold", "0")
    seen = [set(json.loads(path.read_text())["studies"]) for path in suite.out.rglob("seen_in_fit.json")]
    small, large = sorted(seen, key=len)
    assert (len(small), len(large)) == (3, 6)
    assert small < large


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "toi"], "unknown data set 'toi'. Did you mean 'toy'?"),
        (["--dataset", "toy:13"], "unknown preset of toy '13'"),
        (["--set", "epoch=3"], "Did you mean 'epochs'?"),
        (["--folds", "1"], "choose 2 or more folds"),
        (["--folds", "13"], "from 2 to 12"),
        (["--fold", "2"], "fold 2 does not exist: the split has 2 folds (0 to 1)"),
        (["--train-fraction", "0"], "choose a fraction above 0"),
        (["--jobs", "0"], "at least 1"),
        (["--device", "tpu"], "--device tpu"),
        (["--force", "--only-missing"], "exclude each other"),
        (["--seed", "one"], "whole numbers"),
        (["--executor", "slurm"], "unknown executor 'slurm'"),
        (["--approach", ""], "'' names nothing"),
        (["--fold", "-1"], "folds count from 0. Choose from 0 to 1"),
        (["--seed", "-1"], "whole numbers of 0 or more"),
        (["--seed", "3-1"], "a range such as 0-3"),
        (["--set", "foo"], "write it as key=value"),
        (["--set", "prior:x=1"], "prior is not among the approaches of this run (brightness)"),
        (["--out", "/proc/x"], "no folder can be written in /proc"),
        (["--data", "/nowhere"], "no such folder"),
        (["--data", "/etc/hostname"], "that is a file, and a folder is needed"),
        (["--cache-dir", "/etc/hostname"], "that is a file"),
        (["--folds", "/nowhere.csv"], "no such file"),
        (["--device", "cuda:x"], "--device cuda:x"),
        (["--train-fraction", ".01"], "that is 0 of the 6 training studies"),
    ],
)
def test_wrong_use_is_explained_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], suite: Any, words: list[str], message: str
) -> None:
    """Alike with and without --dry-run."""
    for more in ([], ["--dry-run"]):
        with pytest.raises(SystemExit) as ended:
            main([*suite.arguments(), *words, *more])
        said = capsys.readouterr()
        output = " ".join((said.out + said.err).split())
        assert ended.value.code == 2
        assert message in output
        assert not suite.out.exists() or not any(suite.out.iterdir())
    assert "Traceback" not in output


def test_settings_for_one_of_several_approaches(suite: Any) -> None:
    suite.run("--set", "brightness:epochs=2", "--fold", "0", approach="brightness,prior")
    epochs = {job.approach: json.loads(job.config).get("epochs") for job in suite.jobs()}
    assert epochs == {"brightness": 2, "prior": None}
    output = suite.run("--set", "epochs=2", approach="brightness,prior", code=2)
    assert "prior has no setting 'epochs'. It has none at all." in output
    assert "prior has no settings. Omit it." in suite.run("--set", "epochs", approach="prior", code=2)


@pytest.mark.slow
def test_ray_runs_the_same_jobs(suite: Any, tmp_path: Path, suite_at: Callable[..., Any]) -> None:
    pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[ray]'")
    suite.run("--executor", "ray", "--set", "epochs=2")
    local = suite_at(tmp_path / "local")
    local.run("--set", "epochs=2")
    assert suite.predictions() == local.predictions()
    output = suite.run("--executor", "ray", "--set", "misbehave=die", "--fold", "0", code=1)
    assert "failed" in output


def test_unknown_approach_is_guessed(suite: Any) -> None:
    assert "Did you mean 'brightness'?" in suite.run(approach="brightnes", code=2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_store_without_the_right_to_write(suite: Any) -> None:
    suite.out.mkdir(mode=0o500)
    assert "no right to write" in suite.run(code=1)


def test_store_that_is_a_file(suite: Any) -> None:
    suite.out.write_text("")
    assert "that is a file" in suite.run(code=2)


def until(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
