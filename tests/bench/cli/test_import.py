"""``bench import``: predictions made elsewhere, on a label table without any image."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bench.cli import import_, report
from bench.cli import list as list_verb
from bench.comparison import compare_each
from bench.data.cohort import grades_of
from bench.data.folds import make_folds
from bench.errors import DataError, UsageError
from bench.jobs.folder import JobFolder
from bench.jobs.store import read_store, stored_jobs
from bench.metric import score
from bench.metric.prior import prior_probabilities
from bench.targets import PROBABILITY_COLUMNS, TARGET_NAMES

STUDIES = 60


def invoke(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_label_table_alone_is_a_data_set(elsewhere, tmp_path: Path) -> None:
    table = elsewhere.table()
    result = elsewhere.add_alone("base", elsewhere.write(table))
    elsewhere.add_alone("other", elsewhere.write(elsewhere.table(2.0, seed=2), "other.csv"))
    expected = score(elsewhere.labels.rename_axis("study_id"), table).score
    assert f"score: {expected:.4f} [" in result.stdout
    document = elsewhere.report()
    assert (document["dataset"], document["folds"], document["studies"]) == ("labels", 4, STUDIES)
    assert document["reference"]["floor"] is None
    assert 0.7 < document["reference"]["prior"] < 1.2
    scores = {each["name"]: each for each in document["approaches"]}
    assert scores["base"]["score"] == pytest.approx(expected)
    assert scores["base"]["fit_seconds"] is None
    assert scores["base"]["imported"]["files"][0]["name"] == "mine.csv"
    assert (scores["base"]["imported"]["rows"], scores["base"]["imported"]["filled"]) == (25 * STUDIES, 0)
    assert len(document["differences"]) == 1
    page = tmp_path / "page.html"
    invoke(report.command, elsewhere.store, "-o", page)
    assert "imported from mine.csv" in page.read_text(encoding="utf-8")


def test_missing_rows_are_filled_by_the_prior_of_the_other_folds_and_counted(elsewhere) -> None:
    table = elsewhere.table()
    dropped = [3, 40, 400]
    result = elsewhere.add_alone("base", elsewhere.write(table.drop(index=dropped)))
    for row in dropped:
        study, target = divmod(row, 25)
        own = prior_probabilities(elsewhere.grades[elsewhere.fold != elsewhere.fold[study]])
        table.loc[row, [*PROBABILITY_COLUMNS]] = own[target]
    expected = score(elsewhere.labels.rename_axis("study_id"), table).score
    assert f"score: {expected:.4f} [" in result.stdout
    assert "3 of 1,500 rows were missing (3 of them labelled)" in result.stdout
    (approach,) = elsewhere.report()["approaches"]
    assert approach["score"] == pytest.approx(expected)
    assert (approach["imported"]["filled"], approach["imported"]["filled_labelled"]) == (3, 3)
    with pytest.raises(DataError, match=r"missing row .first: '1000_spinal_.*; 3 such rows of 1500.*omit --strict"):
        elsewhere.add("strict", elsewhere.root / "mine.csv", "--strict")


def test_files_of_one_approach_are_joined(elsewhere) -> None:
    table = elsewhere.table()
    spinal = table["row_id"].str.contains("spinal")
    first = elsewhere.write(table[spinal], "spinal.csv")
    rest = elsewhere.write(table[~spinal].sample(frac=1, random_state=0), "rest.csv.gz")
    joined = elsewhere.add_alone("joined", first, rest, first)  # the same values twice say nothing new
    whole = elsewhere.add_alone("whole", elsewhere.write(table))
    pick = re.compile(r"score: [0-9.]+ \[.*\]")
    assert pick.findall(joined.stdout) == pick.findall(whole.stdout) != []
    alone = elsewhere.add_alone("spinal-alone", first)
    assert "1,200 of 1,500 rows were missing (1,200 of them labelled)" in alone.stdout
    assert "other folds: foraminal 600, subarticular 600;" in alone.stdout
    other = elsewhere.write(table[spinal].assign(severe=table["severe"] + 0.0005), "again.csv")
    with pytest.raises(DataError, match=r"again\.csv: row '1000_spinal.* but .*spinal\.csv has .*300 such rows"):
        elsewhere.add_alone("twice", first, other)


def test_folds_are_checked_for_leakage(elsewhere) -> None:
    path = elsewhere.root / "folds.csv"
    path.write_text(path.read_text() + "1000,3\n")
    with pytest.raises(UsageError, match=r"study 1000 is in more than one fold .*leakage"):
        elsewhere.add_alone("base", elsewhere.write(elsewhere.table()))
    assert not elsewhere.store.exists()


def test_without_a_fold_file_the_split_is_the_suites_own_and_unchecked(elsewhere) -> None:
    result = elsewhere.add_alone("base", elsewhere.write(elsewhere.table()), folds=False)
    assert "not checked that these predictions are out of fold" in result.stdout
    (job, *_) = stored_jobs(elsewhere.store)
    own = make_folds(elsewhere.ids, elsewhere.grades, 5).set_index("study_id")["fold"]
    assert job.files.split.read_folds().equals(own)


def test_other_contents_replace_and_the_same_change_nothing(elsewhere) -> None:
    path = elsewhere.write(elsewhere.table())
    elsewhere.add_alone("base", path)
    before = {job.folder: (job.folder / "done").stat().st_mtime_ns for job in stored_jobs(elsewhere.store)}
    assert "already; nothing was written" in elsewhere.add_alone("base", path).stdout
    assert before == {job.folder: (job.folder / "done").stat().st_mtime_ns for job in stored_jobs(elsewhere.store)}
    elsewhere.write(elsewhere.table(1.0))
    result = elsewhere.add_alone("base", path)
    assert re.search(r"earlier predictions of this name moved to .*replaced \(4 folds\)", result.stdout)
    assert len([*elsewhere.store.rglob("replaced/*/result.json")]) == 4
    assert len(stored_jobs(elsewhere.store)) == 4


def test_a_damaged_import_is_made_anew(elsewhere) -> None:
    path = elsewhere.write(elsewhere.table())
    elsewhere.add_alone("base", path)
    job = stored_jobs(elsewhere.store)[0]
    job.files.predictions.write_text("row_id\n")
    assert job.status == "damaged"
    assert "moved to" in elsewhere.add_alone("base", path).stdout
    assert [job.status for job in stored_jobs(elsewhere.store)] == ["done"] * 4


def test_three_seeds_are_ranked(elsewhere) -> None:
    for name, sharpness in (("base", 1.0), ("sharp", 3.0)):
        for seed in range(3):
            path = elsewhere.write(elsewhere.table(sharpness, seed=seed + 1))
            elsewhere.add(name, path, "--seed", seed, "--labels", elsewhere.root / "train.csv")
    document = elsewhere.report()
    assert document["ranked"]
    assert [(each["name"], each["rank"], each["seeds"]) for each in document["approaches"]] == [
        ("sharp", 1, [0, 1, 2]),
        ("base", 2, [0, 1, 2]),
    ]


def test_they_join_a_split_that_was_run_with_floor_and_order_of_folds(
    elsewhere, make_store: Callable[..., Path]
) -> None:
    store = make_store({"mil": 2.0}, folds=4)
    split = stored_jobs(store)[0].files.split
    fold = split.read_folds()
    labels = split.read_labels(fold.index.tolist())
    said = np.exp(2.0 * np.eye(3)[grades_of(labels)] + np.random.default_rng(5).standard_normal((40, 25, 3)))
    table = pd.DataFrame((said / said.sum(-1, keepdims=True)).reshape(-1, 3), columns=[*PROBABILITY_COLUMNS])
    table.insert(0, "row_id", [f"{study}_{name}" for study in fold.index for name in TARGET_NAMES])
    excluded = table.iloc[:25].assign(row_id=[f"77_{name}" for name in TARGET_NAMES])  # left out of the data set
    path = elsewhere.write(pd.concat([table, excluded]))
    (3 - fold).rename("fold").to_csv(elsewhere.root / "renumbered.csv")
    labels.to_csv(elsewhere.root / "train.csv", index_label="study_id")
    same = ["--folds", elsewhere.root / "renumbered.csv", "--labels", elsewhere.root / "train.csv", "--out", store]
    assert "dropped: 25 rows" in invoke(import_.command, "theirs", path, *same).stdout
    (comparison,) = compare_each(stored_jobs(store))
    assert {result.approach for result in comparison.approaches} == {"mil", "theirs"}
    (theirs,) = (result for result in comparison.approaches if result.imported is not None)
    assert theirs.skill is not None
    assert len(comparison.differences) == 1
    assert not any("different versions" in note for note in comparison.notes)

    other = fold.copy()
    other[:] = np.arange(len(fold)) % 4
    other.to_csv(elsewhere.root / "other.csv")
    invoke(import_.command, "theirs", path, "--folds", elsewhere.root / "other.csv", "--out", store)
    assert len(compare_each(stored_jobs(store))) == 2  # other folds are compared apart
    with pytest.raises(UsageError, match=r"more than one split to join\. Name one with --split:"):
        invoke(import_.command, "more", path, "--out", store)
    assert "score" in invoke(import_.command, "more", path, "--split", split.path, "--out", store).stdout


def test_a_fold_without_any_row_is_not_imported(elsewhere) -> None:
    table = elsewhere.table()
    rows = np.repeat(elsewhere.fold, 25) != 2
    result = elsewhere.add_alone("base", elsewhere.write(table[rows]))
    assert "no row of fold 2: incomplete" in result.stdout
    (approach,) = elsewhere.report()["approaches"]
    assert (approach["complete"], approach["imported"]["filled"]) == (False, 0)


def test_a_killed_import_is_no_job_to_resume(elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(files: JobFolder) -> None:
        raise RuntimeError("killed")

    path = elsewhere.write(elsewhere.table())
    monkeypatch.setattr(JobFolder, "finish", killed)
    with pytest.raises(RuntimeError, match="killed"):
        elsewhere.add_alone("base", path)
    monkeypatch.undo()
    elsewhere.add_alone("base", path)
    assert [job.status for job in read_store(elsewhere.store)[0]] == ["done"] * 4


def spoiled(table: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    return table.assign(**{name: values[:, place] for place, name in enumerate(PROBABILITY_COLUMNS)})


BAD = {
    "percentages": (lambda t, p: spoiled(t, 100 * p), r"but to 100 \(first: '1000_.*percentages: divide all values by"),
    "logits": (lambda t, p: spoiled(t, np.log(p)), r"negative value \(first: '1000_.*the first has -.*apply softmax"),
    "positive logits": (lambda t, p: spoiled(t, np.log(p) + 20), r"do not sum to 1 .*If these are logits"),
    "sums": (
        lambda t, p: spoiled(t, p * [1, 2, 4]),
        r"do not sum to 1 .within 0\.001., but to .*ivide each row by its",
    ),
    "wrong target": (
        lambda t, p: t.assign(row_id=t["row_id"] + "x"),
        r"names no study and target \(first: '1000_.*x'; 1500 such rows\)\. Write study, underscore .* such as 1000_",
    ),
    "wrong studies": (
        lambda t, p: t.assign(row_id=t["row_id"].str.replace("^1", "9", regex=True)),
        r"study that the label table of 60 studies lacks \(first: '9",
    ),
    "hostile id": (lambda t, p: t.assign(row_id="\x1b[31m<script>_x"), r"first: '\\x1b\[31m<script>_x'"),
    "empty cell": (lambda t, p: t.assign(severe=np.nan), "empty cell or NaN .first: '1000_.*Every row needs"),
    "no column": (lambda t, p: t.drop(columns="severe"), "column 'severe' is missing .*row_id,normal_mild"),
    "twice": (lambda t, p: pd.concat([t, t]), "duplicate row_id .first: '1000_"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_predictions_are_refused_before_anything_is_written(elsewhere, what: str) -> None:
    spoil, message = BAD[what]
    table = elsewhere.table()
    path = elsewhere.write(spoil(table, table[[*PROBABILITY_COLUMNS]].to_numpy()))
    with pytest.raises(DataError, match=message):
        elsewhere.add_alone("base", path)
    assert not elsewhere.store.exists()


@pytest.mark.parametrize("name", ["<script>", "\x1b[31mred", "=cmd|x", "../up", "a/b", "", "-x", "n" * 65, "Prior"])
def test_hostile_names_are_refused(elsewhere, name: str) -> None:
    with pytest.raises(UsageError, match="the name '") as caught:
        _named(elsewhere, name)
    assert "\x1b" not in str(caught.value)
    assert not elsewhere.store.exists()


def _named(elsewhere, name: str) -> None:
    path = elsewhere.write(elsewhere.table())
    labels = ["--labels", str(elsewhere.root / "train.csv"), "--out", str(elsewhere.store)]
    CliRunner().invoke(import_.command, [*labels, "--", name, str(path)], catch_exceptions=False)


def test_hostile_file_names_do_no_harm(elsewhere, tmp_path: Path) -> None:
    path = elsewhere.write(elsewhere.table(), "=cmd|<script>alert(1)<script>\x1b[31m.csv")
    assert "\x1b" not in elsewhere.add_alone("base", path).stdout
    invoke(report.command, elsewhere.store, "-o", tmp_path / "page.html")
    assert "<script>alert(1)" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_to_join(elsewhere) -> None:
    with pytest.raises(UsageError, match=r"holds no split to join\. Pass the label table with --labels"):
        elsewhere.add("base", elsewhere.write(elsewhere.table()))
    with pytest.raises(UsageError, match=r"--labels .*none\.csv: no such file"):
        elsewhere.add("base", elsewhere.root / "mine.csv", "--labels", elsewhere.root / "none.csv")


def test_they_are_listed_as_imported(elsewhere) -> None:
    elsewhere.add_alone("base", elsewhere.write(elsewhere.table().drop(index=[0])))
    runs = json.loads(invoke(list_verb.command, "runs", "--json", "--out", elsewhere.store).stdout)["runs"]
    assert {run["status"] for run in runs} == {"done"}
    assert sorted(run["note"] for run in runs)[-1] == "imported, 1 of 375 rows filled"
