"""`bench check`: one line per promise, and the place where one is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import check
from bench.errors import UsageError

MINE = """
import numpy as np
from bench import Approach, Predictions
class Mine(Approach):
    def fit(self, train, context): {fit}
    def predict(self, studies, context):
        return Predictions(studies.study_ids, np.full((len(studies), 25, 3), {value}))
    def save(self, folder): pass
    @classmethod
    def load(cls, folder, config): return cls(config)
{end}
"""


@pytest.fixture
def checked(tmp_path: Path, session_cache: Path):
    def run(name: str, *, fit: str = "pass", value: str = "1 / 3", end: str = "") -> Result:
        path = tmp_path / f"{name}.py"
        path.write_text(MINE.format(fit=fit, value=value, end=end))
        words = [name, "--plugin", str(path), "--cache-dir", str(session_cache)]
        return CliRunner().invoke(check.command, words, standalone_mode=False, catch_exceptions=False)

    return run


def test_every_promise_has_a_tick(checked) -> None:
    done = checked("checked_good")
    assert done.return_value == 0
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("✓ ")]) == 11
    assert lines[-1] == "all promises are kept"


def test_a_broken_promise_has_a_cross_and_the_others_are_checked(checked) -> None:
    done = checked("checked_bad", value="0.5")
    assert done.return_value == 1
    assert "✗ All 25 targets of every study, as probabilities" in done.stdout
    assert "sum to 1.5" in done.stdout
    assert "✓ The same seed gives the same predictions" in done.stdout
    assert (
        done.stdout.splitlines()[-1] == "2 broken"
    )  # no probabilities, so their independence cannot be checked either


def test_an_error_names_its_place_and_ends_the_check(checked) -> None:
    done = checked("checked_error", fit="raise ValueError('no way')")
    assert done.return_value == 1
    assert "ValueError: no way (checked_error.py line 5)" in done.stdout
    assert "same seed" not in done.stdout


def test_a_module_that_checks_itself_at_its_top_level_is_told_at_once(checked, tmp_path: Path) -> None:
    end = "from pathlib import Path\nfrom bench.testing import check_contract\n"
    end += f"check_contract('checked_self', Path({str(tmp_path)!r}), paths=[Path(__file__)])"
    done = checked("checked_self", end=end)
    assert done.return_value == 1
    assert "it calls the suite at its top level. Move that call under" in done.stdout


def test_an_unknown_approach(session_cache: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'prior'"):
        CliRunner().invoke(check.command, ["priro"], standalone_mode=False, catch_exceptions=False)
