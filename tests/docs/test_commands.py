"""Every `bench` command that a page shows runs, in the page's order, in a folder that holds what the page assumes.

Trained are only the runs in `TRAINED`, on phantom:tiny in preset smoke; other runs take hours and become dry runs,
which check all that a run checks before it trains.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cli import main
from bench.targets import PROBABILITY_COLUMNS, TARGET_NAMES
from bench.testing import open_generated

CHECKOUT = Path(__file__).parents[2]
TRAINED = (
    "bench run --approach mil --folds 5",
    "bench run --approach brightness,mil,prior --plugin brightness.py",
    "bench run --approach my_idea,prior --plugin my_idea --dataset phantom:tiny --folds 2",
    "bench run --approach prior --dataset phantom --data phantom-tiny --folds 2",
)
# What a page assumes to be there, by how it is made.
BEFORE = {
    "predicting.md": (
        "bench run --approach mine --plugin plugin/mine.py --dataset phantom:tiny --folds 2",
        "bench export mine -o my-model",
    )
}
FILLED = ("methods.md",)  # their commands compare results of several approaches: a store of made-up ones is there
pytestmark = pytest.mark.slow


def bench(line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line)[1:])
    assert ended.value.code in (0, None), line


def made_small(line: str, folder: Path, approaches: tuple[str, ...]) -> str:
    """The command in this sandbox: small where it trains, a dry run where it would train for hours."""
    trained = line in (*TRAINED, *(each for lines in BEFORE.values() for each in lines))
    line = line.replace("/data/", f"{folder}/data/").replace("mil-quick", "mil-smoke")
    if not line.startswith("bench run "):
        return line
    if not trained:
        return line if "--dry-run" in line else f"{line} --dry-run"
    line = line.replace("--folds 5", "--folds 2")
    line += "" if "--dataset" in line else " --dataset phantom:tiny"
    line += "" if "--folds" in line else " --folds 2"
    return f"{line} --preset smoke" if any(name in line for name in approaches) else line


def uniform(study_ids: list[int]) -> pd.DataFrame:
    table = pd.DataFrame(1 / 3, index=range(25 * len(study_ids)), columns=list(PROBABILITY_COLUMNS))
    table.insert(0, "row_id", [f"{study}_{name}" for study in study_ids for name in TARGET_NAMES])
    return table


@pytest.fixture
def sandbox(
    tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch, blocks_of: Callable
) -> Callable[[Path], Path]:
    """Makes a folder with data, tables, predictions and the README's approach, and changes into it."""

    def make(page: Path) -> Path:
        tiny = open_generated(session_cache, "phantom:tiny")
        folder = tmp_path / page.stem
        shutil.copytree(tiny.folder, folder / "data" / "rsna2024")
        ids = [int(study) for study in tiny.cohort.study_ids]
        shutil.copytree(tiny.folder / "train_images" / str(ids[0]), folder / "data" / "new" / "scans")
        uniform(ids[:1]).to_csv(folder / "data" / "rsna2024" / "sample_submission.csv", index=False)
        shutil.copy(tiny.folder / "train.csv", folder)
        table = uniform(ids)
        table.to_csv(folder / "submission.csv", index=False)
        axial = table["row_id"].str.contains("subarticular")
        table[axial].to_csv(folder / "axial.csv", index=False)
        table[~axial].to_csv(folder / "sagittal.csv", index=False)
        pd.DataFrame({"study_id": ids, "fold": np.arange(len(ids)) % 2}).to_csv(folder / "folds.csv", index=False)
        ((_, code),) = (block for block in blocks_of(CHECKOUT / "README.md") if block[0] == "python")
        (folder / "brightness.py").write_text(code)
        (folder / "plugin").mkdir()
        (folder / "plugin" / "mine.py").write_text(code.replace("Brightness", "Mine"))
        monkeypatch.chdir(folder)
        monkeypatch.setenv("BENCH_CACHE", str(session_cache))
        monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
        return folder

    return make


def fill(folder: Path, fill_store: Callable[..., None]) -> None:
    """A store of made-up results, and the tables of predictions made elsewhere for the same studies."""
    fill_store(folder / "runs", {"mil": 2.0, "multitask": 1.9, "prior": 0.0})
    (split,) = (path.parent for path in (folder / "runs").rglob("labels.csv"))
    shutil.copy(split / "labels.csv", folder / "train.csv")
    shutil.copy(split / "folds.csv", folder)
    table = uniform(pd.read_csv(folder / "train.csv")["study_id"].tolist())
    axial = table["row_id"].str.contains("subarticular")
    table.to_csv(folder / "submission.csv", index=False)
    table[axial].to_csv(folder / "axial.csv", index=False)
    table[~axial].to_csv(folder / "sagittal.csv", index=False)


def test_the_commands_of_a_page_run(
    page: Path, sandbox: Callable[[Path], Path], commands_of: Callable, fill_store: Callable[..., None]
) -> None:
    lines = [line for line in commands_of(page) if line.startswith("bench ")]
    if not lines:
        pytest.skip("the page shows no command of bench")
    folder = sandbox(page)
    if page.name in FILLED:
        fill(folder, fill_store)
    lines = [*BEFORE.get(page.name, ()), *lines]
    for line in lines:
        bench(made_small(line, folder, ("mil",)))


def test_what_is_trained_is_still_shown(all_pages: list[Path], commands_of: Callable) -> None:
    shown = {line for page in all_pages for line in commands_of(page)}
    assert set(TRAINED) <= shown
    names = {page.name for page in all_pages}
    assert {*BEFORE, *FILLED} <= names


def test_runs_become_small_or_dry(tmp_path: Path) -> None:
    assert made_small(TRAINED[0], tmp_path, ("mil",)) == (
        "bench run --approach mil --folds 2 --dataset phantom:tiny --preset smoke"
    )
    assert made_small("bench run --approach mil --seed 0,1", tmp_path, ()).endswith("--dry-run")
    assert re.fullmatch(r"bench data check /.*/data/new", made_small("bench data check /data/new", tmp_path, ()))
