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


def test_families_ranks_and_intervals_are_told(make_store) -> None:
    store = make_store({"sharp": 3.0, "like": 3.0, "blunt": 0.5}, seeds=(0, 1, 2))
    comparison = compare(stored_jobs(store), resamples=300)
    document = comparison_json(comparison)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["resamples"] == {"used": 300, "redrawn": comparison.redrawn}
    (family,) = document["families"]
    assert (family["kind"], family["ranked"], family["seeds"], family["pairs"]) == ("main", True, 3, 3)
    assert family["p_adjusted"][0][0] is None
    assert family["rank_shares"]["blunt-quick"] == [0.0, 0.0, 1.0]
    first = document["approaches"][0]
    low, high = first["skill_interval"]
    assert low < first["skill"] < high
    assert first["ablation_of"] is None
    difference = document["differences"][0]
    assert difference["family"] == family["name"]
    assert not difference["one_seed"]
    assert difference["p"] <= difference["p_adjusted"]
    assert difference["detectable"] > 2 * difference["standard_error"]
