"""`bench new approach`: what it makes keeps the contract at once and says where pixels come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import new, run
from bench.comparison import compare_each
from bench.errors import UsageError
from bench.jobs.fingerprint import plugin_parts
from bench.jobs.store import stored_jobs
from bench.plugins import find
from bench.testing import check_contract


def invoke(*words: object) -> Result:
    return CliRunner().invoke(new.command, ["approach", *map(str, words)], catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["prior", "mil", "multitask", "sequence"])
def test_a_new_approach_keeps_the_contract(start: str, tmp_path: Path, session_cache: Path) -> None:
    folder = tmp_path / f"from_{start}"
    said = invoke(folder.name, "--from", start, "-o", folder).output
    assert f"bench check from_{start} --plugin {folder}" in said
    names = {path.name for path in folder.iterdir()}
    assert {"__init__.py", "approach.py", "config.py", "quick.toml", "README.md", "tests"} <= names
    assert (folder / "tests" / f"test_from_{start}.py").is_file()
    check_contract(folder.name, tmp_path / "work", paths=[folder], cache=session_cache)


@pytest.mark.slow
def test_it_runs_to_a_score(tmp_path: Path, session_cache: Path) -> None:
    folder = tmp_path / "fresh_idea"
    invoke("fresh_idea", "-o", folder)
    assert "class FreshIdea(Approach)" in (folder / "approach.py").read_text()
    words = ["--approach", "fresh_idea", "--plugin", folder, "--dataset", "phantom:tiny", "--folds", "2", "--fold", "0"]
    places = ["--out", tmp_path / "runs", "--cache-dir", session_cache, "--set", "steps=3"]
    done = CliRunner().invoke(run.command, [str(word) for word in (*words, *places)], standalone_mode=False)
    assert done.return_value == 0, done.output
    (job,) = stored_jobs(tmp_path / "runs")
    assert (job.status, json.loads(job.config)["steps"]) == ("done", 3)


@pytest.mark.slow
def test_with_few_studies_it_is_no_worse_than_the_class_prior(tmp_path: Path, session_cache: Path) -> None:
    folder = tmp_path / "fresh_idea"
    invoke("fresh_idea", "-o", folder)
    words = ["--approach", "fresh_idea,prior", "--plugin", folder, "--dataset", "phantom:tiny", "--folds", "2"]
    places = ["--out", tmp_path / "runs", "--cache-dir", session_cache]
    done = CliRunner().invoke(run.command, [str(word) for word in (*words, *places)], standalone_mode=False)
    assert done.return_value == 0, done.output
    (comparison,) = compare_each(stored_jobs(tmp_path / "runs"), resamples=200)
    scores = {result.approach: result.estimate.score for result in comparison.approaches}
    assert scores["fresh_idea"] < scores["prior"]


def test_the_readme_names_the_files_and_where_pixels_come_from(tmp_path: Path) -> None:
    invoke("mine", "-o", tmp_path / "mine")
    text = (tmp_path / "mine" / "README.md").read_text()
    for word in ("crops.py", "quick.toml", "series.spacings", "anatomical order", "cohort.points", "to_world"):
        assert word in text
    assert not re.search(r"\{\w+\}", text)


def test_its_tests_make_nothing_stale(tmp_path: Path) -> None:
    invoke("tested", "-o", tmp_path / "tested")
    plugin = find("approaches", "tested", [tmp_path / "tested"])
    before = plugin_parts(plugin)
    (tmp_path / "tested" / "tests" / "test_tested.py").write_text("")
    assert plugin_parts(plugin) == before
    assert not any("bench.jobs" in part or "bench.cli" in part for part in before)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["class"], "'class' is no name"),
        (["My-Idea"], "'My-Idea' is no name"),
        (["mil"], "there is an approach 'mil' already"),
        (["mine", "--from", "mli"], "Did you mean 'mil'"),
        (["mine", "-o", "other"], "Write -o mine"),
    ],
)
def test_wrong_use(words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        invoke(*words)
    assert not any(tmp_path.iterdir())


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        invoke("mine", "-o", tmp_path / "mine")
