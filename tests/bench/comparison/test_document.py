"""The JSON document: valid JSON, with null for what does not exist."""

import json

import pandas as pd

from bench.comparison import compare, comparison_json
from bench.jobs.split import SplitFolder
from bench.jobs.store import stored_jobs
from bench.targets import TARGET_NAMES


def test_what_does_not_exist_is_null(make_store) -> None:
    store = make_store({"mil": 2.0, "like": 2.0}, floor=None)
    (path,) = store.rglob("labels.csv")
    labels = pd.read_csv(path)
    labels[[name for name in TARGET_NAMES if "spinal" in name]] = None
    labels.to_csv(path, index=False)
    split = SplitFolder(path.parent)
    split.write({path.name: path.read_text()}, split.record())  # with the checksum of what it now says
    document = comparison_json(compare(stored_jobs(store), resamples=200))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    first = document["approaches"][0]
    assert first["parts"]["spinal"] is None
    assert first["parts"]["any_severe_spinal"] is None
    assert first["score"] == (first["parts"]["foraminal"] + first["parts"]["subarticular"]) / 2
    assert first["skill"] is None
    assert document["reference"]["floor"] is None
    assert document["differences"][0]["verdict"] == "these trained models: not separable (n = 40)"
