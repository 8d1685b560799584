"""What a dry run says, as a user meets it: the command line on a toy data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_dry_run_writes_nothing(suite: Any) -> None:
    suite.run("--fold", "0")  # the toy data are there and read
    store, cache = files_below(suite.out), files_below(suite.cache)
    assert "jobs: 2 (1 done, 1 missing)" in suite.run("--dry-run")
    assert (files_below(suite.out), files_below(suite.cache)) == (store, cache)


def test_dry_run_names_what_it_would_generate_or_read(suite: Any, suite_at: Callable[..., Any], tmp_path: Path) -> None:
    suite.run("--fold", "0")  # the toy data are there
    fresh = suite_at(tmp_path / "fresh", tmp_path / "empty")
    output = fresh.run("--dataset", "phantom:small:3", "--fold", "0-2", "--seed", "0,1", "--folds", "3", "--dry-run")
    assert "would generate 100 studies, about 0.44 GB and 0.71 GB of prepared images" in output
    assert "jobs: 6 " in output
    output = fresh.run("--data", str(suite.cache / "toy-12"), "--dry-run")
    assert "would read 36 series" in output
    assert not fresh.out.exists()
    assert not fresh.cache.exists()


def files_below(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "__pycache__"}


def test_dry_run_says_where_a_cost_is_unknown(suite: Any) -> None:
    output = suite.run("--dry-run")
    assert not suite.jobs()
    assert "unknown, since the approach does not tell its networks" in output
