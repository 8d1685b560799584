"""The proof of ``bench import``: two published models on the competition's own labels, without an image."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bench.cli import import_, report
from bench.targets import TARGET_NAMES


def invoke(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.slow
class TestPublished:
    """The proof: two published models on the competition's own labels; figures from independent computations."""

    @pytest.fixture
    def parts(self, real_data: Path) -> dict[str, pd.DataFrame]:
        tables = {}
        for model in ("baseline", "swint"):
            files = sorted((real_data / "oof").glob(f"*{model}.csv.gz"))
            tables[model] = pd.concat([pd.read_csv(file) for file in files]).set_index("row_id")
        tables["mean"] = (tables["baseline"] + tables["swint"].loc[tables["baseline"].index]) / 2
        return tables

    def test_the_figures_with_a_third_in_missing_rows(
        self, real_data: Path, parts: dict[str, pd.DataFrame], tmp_path: Path
    ) -> None:
        labels = pd.read_csv(real_data / "rsna2024" / "train.csv", usecols=["study_id"])
        rows = [f"{study}_{name}" for study in labels["study_id"] for name in TARGET_NAMES]
        filled = {name: table.reindex(rows).fillna(1 / 3) for name, table in parts.items()}
        document = self.imported(real_data, filled, tmp_path, missing=0)
        self.check(document, {"baseline": 0.4023, "swint": 0.4009, "mean": 0.3950})

    def test_the_figures_with_the_prior_in_missing_rows(
        self, real_data: Path, parts: dict[str, pd.DataFrame], tmp_path: Path
    ) -> None:
        document = self.imported(real_data, parts, tmp_path, missing=547)
        self.check(document, {"baseline": 0.4024, "swint": 0.4009, "mean": 0.3950})
        page = tmp_path / "page.html"
        invoke(report.command, tmp_path / "runs", "-o", page)
        text = page.read_text(encoding="utf-8")
        assert "547 of 49,375 rows were missing (46 of them labelled)" in text
        assert "1975 studies and one seed could separate a difference of 0.00" in text

    def imported(self, real_data: Path, tables: dict[str, pd.DataFrame], root: Path, missing: int) -> dict:
        labels, folds = real_data / "rsna2024" / "train.csv", real_data / "oof" / "folds.csv.gz"
        for name, table in tables.items():
            table.reset_index().to_csv(root / f"{name}.csv", index=False)
            own = ["--labels", labels, "--folds", folds, "--out", root / "runs", "--json"]
            document = json.loads(invoke(import_.command, name, root / f"{name}.csv", *own).stdout)
            assert (document["rows"], document["missing"]) == (49_375, missing)
            assert document["missing_labelled"] == (46 if missing else 0)
        return json.loads(invoke(report.command, root / "runs", "--json").stdout)

    def check(self, document: dict, scores: dict[str, float]) -> None:
        found = {each["name"]: each["score"] for each in document["approaches"]}
        assert found == {name: pytest.approx(value, abs=5e-5) for name, value in scores.items()}
        pairs = {frozenset((each["first"], each["second"])): each for each in document["differences"]}
        alike = pairs[frozenset(("baseline-imported", "swint-imported"))]
        assert abs(alike["difference"]) == pytest.approx(0.0015, abs=1e-4)
        assert alike["p"] == pytest.approx(0.6, abs=0.05)
        assert not alike["separable"]
        for other in ("baseline-imported", "swint-imported"):
            pair = pairs[frozenset(("mean-imported", other))]
            assert pair["separable"]
            assert "mean-imported is better" in pair["verdict"]
