"""The Python API on the toy data: what a notebook sees and gets."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import bench
from bench.errors import UsageError

PLUGINS = Path(__file__).parents[2] / "plugins"


class Even(bench.Approach):
    """One third for everything, or as told."""

    fits = 0
    broken = False

    def fit(self, train: bench.Cohort, context: bench.Context) -> None:
        Even.fits += 1
        if Even.broken:
            raise RuntimeError("as told")
        context.note(1, "seen in fit")

    def predict(self, studies: bench.Cohort, context: bench.Context) -> bench.Predictions:
        return bench.Predictions(studies.study_ids, np.full((len(studies), 25, 3), 1 / 3))

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path, config: object) -> Even:
        return cls(config)


@pytest.fixture
def asked(tmp_path: Path, session_cache: Path):
    """`bench.run` on two folds of the toy data."""

    def run(approaches, **options):
        plugin = [PLUGINS / "toy.py", PLUGINS / "brightness.py"]
        places = {"out": tmp_path / "runs", "cache_dir": session_cache}
        return bench.run(approaches, dataset="toy", folds=2, plugin=plugin, quiet=True, **places, **options)

    return run


def test_import_is_light_and_names_are_found_lazily() -> None:
    code = (
        "import sys, bench\n"
        "print([m for m in ('numpy', 'pandas', 'torch', 'pydantic', 'rich', 'matplotlib') if m in sys.modules])\n"
        "print(set(bench.__all__) <= set(dir(bench)), callable(bench.run), callable(bench.show))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True True True", "False"]


def test_a_class_of_this_process_runs_here_is_marked_and_reused(asked) -> None:
    Even.fits = 0
    results = asked([Even, "prior"])
    assert Even.fits == 2
    scores = results.scores.set_index(["approach", "fold"])
    assert scores["in_process"].to_dict() == {
        ("even", 0): True, ("even", 1): True, ("prior", 0): False, ("prior", 1): False,
    }  # fmt: skip
    assert scores.loc["even", "score"].between(0.9, 1.1).all()
    assert set(results.notes["note"]) >= {"seen in fit"}
    again = asked(Even)
    assert (Even.fits, len(again)) == (2, 2)
    asked(Even, force=True)
    assert Even.fits == 4


def test_a_failure_is_kept_and_told(asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Even, "broken", True)
    results = asked([Even, "brightness"], fold=0)
    assert results.failed == {"even-default fold 0": "RuntimeError: as told"}
    assert repr(results).startswith("Results(1 jobs, 1 failed of brightness-default;")
    monkeypatch.setattr(Even, "broken", False)
    assert not asked(Even, fold=0).failed


class Waiting(Even):
    """Trains for ten minutes without a checkpoint."""

    def fit(self, train: bench.Cohort, context: bench.Context) -> None:
        time.sleep(600)


def test_a_class_without_checkpoints_is_ended_at_the_limit(asked, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="choose a duration"):
        asked(Waiting, stop_after="soon")
    # The end comes 2 s after the start, and the limit itself much later: whatever the machine, training has begun.
    monkeypatch.setattr("bench.jobs.stopping._MOST_GRACE_S", 2.0 - 3600)
    results = asked(Waiting, fold=0, stop_after="1h")
    assert [reason[:21] for reason in results.unfinished.values()] == ["reached no checkpoint"]
    assert "1 unfinished" in repr(results)


def test_tables_of_a_store(asked, tmp_path: Path) -> None:
    asked("brightness", settings={"epochs": 2})
    results = bench.load_results(tmp_path / "runs")
    predictions = results.predictions
    assert len(predictions) == 12 * 25
    assert predictions.groupby("fold")["study_id"].nunique().sum() == 12
    assert np.allclose(predictions[["normal_mild", "moderate", "severe"]].sum(axis=1), 1)
    labels = bench.open_dataset("toy", plugin=[PLUGINS / "toy.py"], cache_dir=None, folds=2).cohort.grades
    assert predictions.groupby("study_id")["label"].first().tolist() == labels[:, 0].tolist()
    assert set(results.histories["epoch"]) == {1, 2}
    assert any(name.startswith("loss: ") for name in results.histories)
    assert len(repr(results)) < 200


def test_two_approaches_are_compared(asked, tmp_path: Path) -> None:
    compared = bench.compare("even", "brightness", asked([Even, "brightness"]))
    scores = bench.load_results(tmp_path / "runs").scores.groupby("approach")["score"].mean()
    assert np.sign(compared.difference) == np.sign(scores["even"] - scores["brightness"])
    assert compared.interval[0] < compared.difference < compared.interval[1]
    assert "even-default minus brightness-default" in repr(compared)
    assert bench.compare("brightness", "even", asked([Even, "brightness"])).difference == -compared.difference


def test_what_a_notebook_shows_is_short(session_cache: Path) -> None:
    data = bench.open_dataset("toy", plugin=[PLUGINS / "toy.py"], cache_dir=session_cache, folds=2)
    study = data.cohort.studies[0]
    predictions = bench.Predictions(data.cohort.study_ids, np.zeros((12, 25, 3)), points=data.cohort.points)
    shown = [data, data.cohort, study, study.series[0], data.volumes, predictions]
    assert max(len(repr(one)) for one in shown) < 250
    assert repr(data) == "Data('toy:12': 12 studies in 2 folds; .cohort, .volumes, .split)"
    assert repr(data.cohort) == "Cohort(12 studies, with labels, 300 points)"
    assert repr(predictions) == "Predictions(12 studies, 300 points)"
    assert data.study(study.study_id) is study


def test_a_study_is_shown_with_points_and_weights(session_cache: Path) -> None:
    data = bench.open_dataset("toy", plugin=[PLUGINS / "toy.py"], cache_dir=session_cache, folds=2)
    study = data.cohort.studies[0]
    figure = bench.show(study, points=data.cohort.points, grades=data.cohort.grades[0])
    assert isinstance(figure, Figure)
    assert "left L1/L2" in {text.get_text() for axis in figure.axes for text in axis.texts}
    row = {"row_id": "1_spinal_canal_stenosis_l1_l2", "series_id": 11, "instance_number": 3, "weight": 0.7}
    titles = [axis.get_title("left") for axis in bench.show(study, evidence=pd.DataFrame([row])).axes]
    assert any("weight 0.70" in title and "instance 3" in title for title in titles)
    alone = data.cohort.subset([study.study_id]).studies[0].__class__(1, study.series)
    with pytest.raises(UsageError, match="Pass volumes="):
        bench.show(alone)
    assert isinstance(bench.show(alone, volumes=data.volumes), Figure)


def test_wrong_use(asked, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks fit, load, predict, save"):
        asked(type("Nothing", (bench.Approach,), {}))
    with pytest.raises(UsageError, match="no subclass"):
        asked(int)
    with pytest.raises(UsageError, match="there is an approach 'prior' already"):
        asked(type("Prior", (Even,), {}))
    with pytest.raises(UsageError, match="Did you mean 'prior'"):
        asked("priro")
    with pytest.raises(UsageError, match="no such folder"):
        bench.load_results(tmp_path / "absent")
    with pytest.raises(UsageError, match="grades has the shape"):
        bench.show(None, grades=[1, 2])  # type: ignore[arg-type]
