"""Costs, the Pareto front and learning curves."""

import json
from pathlib import Path

from bench.comparison import compare
from bench.comparison.analysis.costs import costs, learning_curves
from bench.comparison.analysis.forecasts import forecast_costs
from bench.jobs.folder import JobFolder
from bench.jobs.store import stored_jobs


def change(store: Path, approach: str, **values: object) -> None:
    for folder in store.rglob(f"{approach}-*/seed*/fold?"):
        result = json.loads((folder / "result.json").read_text()) | values
        (folder / "result.json").write_text(json.dumps(result))
        JobFolder(folder).finish()


def test_what_is_cheaper_and_better_leaves_others_behind(make_store) -> None:
    store = make_store({"mil": 3.0, "slow": 1.0, "cheap": 0.5}, missing={("slow", 0, 1)})
    make_store({"dear": 2.0})
    change(store, "cheap", fit_seconds=1.0, parameters=0)
    change(store, "mil", fit_cpu_seconds=7.0, parameters=10, multiply_adds_per_study=99)
    change(store, "dear", fit_seconds=20.0)
    found = {each.label: each for each in costs(compare(stored_jobs(store), resamples=100))}
    assert found["mil-quick"].pareto
    assert found["cheap-quick"].pareto
    assert not found["dear-quick"].pareto
    assert not found["slow-quick"].pareto  # incomplete
    assert found["mil-quick"].fit_cpu_seconds == 28.0
    assert found["mil-quick"].seconds == 48.0
    assert (found["mil-quick"].parameters, found["mil-quick"].multiply_adds) == (10, 99)
    assert (found["cheap-quick"].parameters, found["cheap-quick"].multiply_adds) == (None, None)


FORECAST = {
    "training_multiply_adds": 3e15,
    "prediction_multiply_adds": 4e14,
    "parameters": 12,
    "gpu_memory_mb": 2048.0,
    "memory_mb": 1500.0,
    "stored_mb": 30.0,
    "working_mb": 90.0,
    "shared_mb": 200.0,
    "slices": 37000.0,
    "precision": "fp16",
}


def test_forecasts_stand_beside_what_was_measured(make_store) -> None:
    store = make_store({"mil": 3.0, "untold": 1.0})
    change(store, "mil", forecast=FORECAST, multiply_adds_per_study=99, parameters=10, peak_gpu_memory_mb=1900.0)
    change(store, "mil", fit_cpu_seconds=7.0, predict_cpu_seconds=0.5)
    comparison = compare(stored_jobs(store), resamples=100)
    (found,) = forecast_costs(comparison)
    folds = len(comparison.approaches[0].folds)
    assert found.label == "mil-quick"
    assert found.operations == 2 * folds * 3.4e15
    assert (found.parameters, found.measured_parameters) == (12, 10)
    assert (found.gpu_memory_mb, found.measured_gpu_memory_mb) == (2048.0, 1900.0)
    assert found.measured_per_study == 99
    assert found.disk_mb == folds * 30 + 90 + 200
    assert found.cpu_seconds == folds * 7.5
    assert found.prediction_per_study * found.studies == found.prediction_multiply_adds == folds * 4e14


def test_learning_curves_hold_an_approachs_fractions(make_store) -> None:
    for fraction in (1.0, 0.25, 0.5):
        store = make_store(
            {"mil": 1 + fraction, "other": 1.0} if fraction == 1 else {"mil": 1 + fraction}, train_fraction=fraction
        )
    (curve,) = learning_curves(compare(stored_jobs(store), resamples=100))
    assert curve.name == "mil-quick"
    assert [point.fraction for point in curve.points] == [0.25, 0.5, 1.0]
    assert all(point.interval[0] < point.score < point.interval[1] for point in curve.points)
