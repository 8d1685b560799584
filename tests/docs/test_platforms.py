"""`docs/kaggle.ipynb` and `docs/colab.ipynb` run to the end on generated data in the competition's layout."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from bench.datasets.phantom.building import build
from bench.targets import TARGETS, row_id

CHECKOUT = Path(__file__).parents[2]
# What stands in the notebooks for the platform is told to be absent.
ABSENT = {"kaggle": "WHEELS = None", "colab": "DRIVE, WHEELS, DOWNLOAD = None, None, False"}


@pytest.fixture
def competition(tmp_path: Path) -> Path:
    """Eight phantom studies in the competition's layout; two of them are to be predicted, in an order of their own."""
    folder = build(tmp_path / "competition", preset="tiny", studies=8, seed=3, jobs=1)
    series = pd.read_csv(folder / "train_series_descriptions.csv")
    chosen = sorted(series["study_id"].unique())[:2]
    for study in chosen:
        shutil.copytree(folder / "train_images" / str(study), folder / "test_images" / str(study))
    series[series["study_id"].isin(chosen)].to_csv(folder / "test_series_descriptions.csv", index=False)
    rows = np.random.default_rng(0).permutation([row_id(study, target) for study in chosen for target in TARGETS])
    columns = {"row_id": rows, "normal_mild": 1 / 3, "moderate": 1 / 3, "severe": 1 / 3}
    pd.DataFrame(columns).to_csv(folder / "sample_submission.csv", index=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["kaggle", "colab"])
def test_the_notebook_trains_goes_on_and_submits(
    platform: str, competition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PYTHONPATH", CHECKOUT), ("IPYTHONDIR", tmp_path / "ipython")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    before = {path: path.stat().st_mtime_ns for path in competition.rglob("*")}
    work = tmp_path / "work"

    first = _executed(platform, competition, work, limit="0.001s")
    assert "the time is over: run this cell again to go on" in first
    assert not (work / "submission.csv").exists()
    assert "all folds are trained" in _executed(platform, competition, work, limit="2h")

    sample = pd.read_csv(competition / "sample_submission.csv")
    assert pd.read_csv(work / "submission.csv")["row_id"].tolist() == sample["row_id"].tolist()
    assert (work / "report.html").stat().st_size > 100_000
    assert len(list((work / "runs").rglob("done"))) == 2
    assert {path: path.stat().st_mtime_ns for path in competition.rglob("*")} == before  # the input is only read


def _executed(platform: str, competition: Path, work: Path, *, limit: str) -> str:
    """Run a notebook with other settings; returns what it shows. Without time, only up to the end of training."""
    notebook = nbformat.read(CHECKOUT / "docs" / f"{platform}.ipynb", as_version=4)
    (place,) = (n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    settings = [
        ABSENT[platform],
        f"COMPETITION, CACHE, STORE = {str(competition)!r}, {str(work / 'cache')!r}, {str(work / 'runs')!r}",
        f"SUBMISSION, REPORT = {str(work / 'submission.csv')!r}, {str(work / 'report.html')!r}",
        f"LIMIT, FOLDS, PRESET = {limit!r}, 2, 'smoke'",
    ]
    notebook.cells.insert(place + 1, new_code_cell("\n".join(settings)))
    if limit == "0.001s":
        (train,) = (n for n, cell in enumerate(notebook.cells) if '"--stop-after"' in cell.source)
        notebook.cells = notebook.cells[: train + 1]
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(work.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs)
