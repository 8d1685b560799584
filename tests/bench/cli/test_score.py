"""``bench score``: what it prints, and that `--json` prints nothing else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli.score import command
from bench.errors import DataError
from bench.targets import PROBABILITY_COLUMNS, SEVERITIES, TARGET_NAMES


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two studies; the second has no spinal label. Everything is predicted as a third each."""
    solution = pd.DataFrame(SEVERITIES[0], index=[11, 22], columns=list(TARGET_NAMES))
    solution.loc[22, [name for name in TARGET_NAMES if "spinal" in name]] = None
    solution.to_csv(tmp_path / "train.csv", index_label="study_id")
    submission = pd.DataFrame(np.full((50, 3), 1 / 3), columns=list(PROBABILITY_COLUMNS))
    submission.insert(0, "row_id", [f"{study}_{name}" for name in TARGET_NAMES for study in (22, 11)])
    submission.to_csv(tmp_path / "mine.csv", index=False)
    return str(tmp_path / "train.csv"), str(tmp_path / "mine.csv")


def test_json(files: tuple[str, str]) -> None:
    result = CliRunner().invoke(command, [*files, "--json"], catch_exceptions=False)
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert document["rows"] == 45
    assert document["clipped"] == 0
    assert document["parts"].keys() == {"spinal", "foraminal", "subarticular", "any_severe_spinal"}
    assert document["parts"]["spinal"] == pytest.approx(np.log(3))
    assert document["score"] == pytest.approx((3 * np.log(3) + np.log(1.5)) / 4)


def test_text(files: tuple[str, str]) -> None:
    result = CliRunner().invoke(command, files, catch_exceptions=False)
    assert result.exit_code == 0
    assert "score                0.9253" in result.stdout
    assert "45 rows scored, 0 cells clipped" in result.stdout


def test_a_part_without_labels_is_null_in_json_and_said_in_words(files: tuple[str, str]) -> None:
    solution = pd.read_csv(files[0])
    solution[[name for name in TARGET_NAMES if "spinal" in name]] = None
    solution.to_csv(files[0], index=False)
    assert json.loads(CliRunner().invoke(command, [*files, "--json"]).stdout)["parts"]["spinal"] is None
    assert "not in the mean" in CliRunner().invoke(command, files).stdout


def test_strict(files: tuple[str, str]) -> None:
    submission = pd.read_csv(files[1])
    submission.loc[1, "severe"] = 0.5
    submission.to_csv(files[1], index=False)
    assert CliRunner().invoke(command, files).exit_code == 0
    with pytest.raises(DataError, match=r"mine\.csv: .*do not sum to 1.*Divide each row by its sum"):
        CliRunner().invoke(command, [*files, "--strict"], catch_exceptions=False)
