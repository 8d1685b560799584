"""What localisation errors cost."""

import shutil

import pytest

from bench.comparison import compare
from bench.comparison.analysis.location_cost import location_costs
from bench.comparison.analysis.predicted import predicted
from bench.jobs.folder import JobFolder
from bench.jobs.store import stored_jobs


def test_the_cost_is_own_points_minus_the_annotators(make_store) -> None:
    store = make_store({"mil": 1.0, "better": 3.0})
    for folder in store.rglob("mil-*/seed0/fold?"):  # with the annotators' points it is as good as the other
        twin = next(store.rglob(f"better-*/seed0/{folder.name}"))
        shutil.copy(twin / "predictions.csv", folder / "predictions_true_points.csv")
        JobFolder(folder).finish()
    comparison = compare(stored_jobs(store), resamples=100)
    (cost,) = location_costs(predicted(comparison))
    scores = {result.label: result.estimate.score for result in comparison.approaches}
    assert cost.label == "mil-quick"
    assert cost.annotators == pytest.approx(scores["better-quick"])
    assert cost.paired.difference == pytest.approx(scores["mil-quick"] - scores["better-quick"])
    assert cost.paired.interval[0] > 0
