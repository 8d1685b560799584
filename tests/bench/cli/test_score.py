"""``bench score``: what it prints, and that `--json` prints nothing else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli.score import command
from bench.errors import DataError, UsageError
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


def test_missing_rows_are_an_error_or_filled_by_the_prior_of_the_other_folds(
    files: tuple[str, str], tmp_path: Path
) -> None:
    submission = pd.read_csv(files[1])
    submission.drop(index=[0, 3]).to_csv(files[1], index=False)  # 22 has no spinal label, 11 has one
    with pytest.raises(DataError, match=r"missing row \(first: '11_.*; 2 such rows\).*or pass --missing prior"):
        CliRunner().invoke(command, files, catch_exceptions=False)
    (tmp_path / "folds.csv").write_text("study_id,fold\n11,0\n22,1\n")
    filling = ["--missing", "prior", "--folds", str(tmp_path / "folds.csv")]
    result = CliRunner().invoke(command, [*files, *filling, "--json"], catch_exceptions=False)
    document = json.loads(result.stdout)
    assert (document["filled"], document["filled_labelled"], document["rows"]) == (2, 1, 45)
    # Study 22 has no spinal label: for 11 the counts are 0 + 1 per class, so the prior is the class weights 1, 2, 4.
    assert document["parts"]["spinal"] == pytest.approx((4 * np.log(3) + np.log(7)) / 5)
    text = CliRunner().invoke(command, [*files, *filling]).stdout
    assert "2 missing rows (1 of them scored) filled by the class prior of the other folds" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "2"], "--folds 2: folds are used to fill missing rows. Add --missing prior"),
        (["--missing", "prior"], "has 2 studies, too few for 5 folds. Pass --folds"),
        (["--missing", "prior", "--folds", "7"], "Choose from 2 to 2 folds"),
    ],
)
def test_wrong_use_of_filling(files: tuple[str, str], options: list[str], message: str) -> None:
    pd.read_csv(files[1]).drop(index=[0]).to_csv(files[1], index=False)
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(command, [*files, *options], catch_exceptions=False)
