"""The analysis as a whole: of anything, and as JSON."""

import json

import pytest

from bench.comparison import compare
from bench.comparison.analysis import analyse, analysis_json
from bench.jobs.store import stored_jobs


@pytest.mark.parametrize(
    ("sharpness", "options"),
    [
        ({"prior": 0.0}, {}),
        ({"mil": 2.0}, {"studies": 4, "folds": 2}),
        ({"mil": 2.0, "other": 1.0}, {"seeds": (0, 1), "missing": {("mil", 1, 2), ("other", 0, 0), ("other", 1, 0)}}),
        ({"mil": 2.0, "other": 1.0, "prior": 0.0}, {"floor": None, "dataset": "rsna2024"}),
    ],
)
def test_any_store_gives_a_document_without_nan(make_store, sharpness, options) -> None:
    analysis = analyse(compare(stored_jobs(make_store(sharpness, **options)), resamples=100))
    text = json.dumps(analysis_json(analysis), allow_nan=False)
    document = json.loads(text)
    assert {"loss_shares", "reliabilities", "label_errors", "blends", "costs", "environment"} <= document.keys()
    assert (
        document["environment"]["commands"] == sorted(f"bench run --approach {name}" for name in sharpness)
        or len(sharpness) > 1
    )
    if analysis.blends is not None:
        assert document["blends"]["equal"]["interval"] == list(analysis.blends.equal.interval)
