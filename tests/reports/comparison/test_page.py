"""The page: complete, escaped, and a file that loads nothing."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from bench.comparison import compare_each
from bench.comparison.analysis import analyse
from bench.jobs.folder import JobFolder
from bench.jobs.store import stored_jobs
from bench.plugins import load
from bench.report import Output
from bench.reports.comparison.cells import first_of
from bench.reports.comparison.report import render
from bench.reports.comparison.sections.costs import costs
from bench.reports.comparison.words import lead

PLOTLY = "plotly.js (basic - minified)"


def page_of(store: Path) -> str:
    return render(compare_each(stored_jobs(store), resamples=300))


def own_part(page: str) -> str:
    """The page without the script of plotly.js."""
    head, _, rest = page.partition(PLOTLY)
    return head + rest.partition("</script>")[2]


class Tags(HTMLParser):
    """Checks that tags are closed in order, and keeps tags and texts."""

    void = ("meta", "br", "img", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))


def test_the_plugin_is_found_and_writes_a_file(make_store, tmp_path: Path) -> None:
    comparisons = compare_each(stored_jobs(make_store({"mil": 2.0})), resamples=300)
    path = tmp_path / "new" / "report.html"
    load("reports", "comparison")().write(comparisons, [Output(path, "html")])
    assert "mil-quick" in path.read_text(encoding="utf-8")


def test_what_ran_in_a_notebook_is_marked_in_the_leaderboard(make_store) -> None:
    store = make_store({"mil": 2.0, "mine": 2.0})
    assert "in process" not in own_part(page_of(store))
    for job in stored_jobs(store):
        if job.approach == "mine":
            job.result.model_copy(update={"in_process": True}).write(job.files.result)
            job.files.finish()
    cells = Tags(page_of(store)).seen
    assert any("not in a process of its own" in (attributes.get("title") or "") for _, attributes in cells)


def test_what_a_gpu_was_used_for_is_among_the_costs_without_a_forecast(make_store) -> None:
    store = make_store({"mil": 2.0, "mine": 1.0, "prior": 0.0})
    jobs = stored_jobs(store)
    assert "peak GPU memory" not in own_part(page_of(store))
    for job in jobs:  # what used no GPU has either nothing or 0
        used = {"mine": 1024.0 + job.fold, "prior": 0.0}.get(job.approach)
        job.result.model_copy(update={"peak_gpu_memory_mb": used}).write(job.files.result)
        job.files.finish()
    assert all(job.result.forecast is None for job in jobs)
    (table,) = costs(analyse(compare_each(stored_jobs(store), resamples=300)[0])).tables
    place = [column.name for column in table.columns].index("peak GPU memory")
    found = {row[0].text: row[place].value for row in table.rows}
    assert found == {"mil-quick": None, "mine-quick": 1027.0, "prior-quick": None}
    assert "peak GPU memory" in own_part(page_of(store))


def test_what_it_says_and_in_which_order(make_store) -> None:
    page = page_of(make_store({"mil": 3.0, "like": 3.0, "prior": 0.0}, failed={("prior", 0, 1)}))
    for words in (
        "phantom:small",
        "Phantom; ranks approaches on this phantom, not on patients",
        "for these trained models, not for the approaches",
        "not separable",
        "Incomplete approaches",
        "no readable series",
        "out of memory",
        "incomplete: 3 of 4 folds",
        "Rank stability",
        "do not cover other training sets",
        "bench run <span>--approach</span> mil",
        "n = 40",
    ):
        assert words in page, words
    titles = re.findall(r"<h3>(.*?)</h3>", page)
    assert titles == [
        "Leaderboard",
        "Pairs",
        "Where the loss comes from",
        "Suspected label errors",
        "Blends",
        "What it costs",
        "Cases",
        "Localisation",
        "Excluded studies and notes",
        "Unscored jobs",
        "Environment and commands",
    ]
    parsed = Tags(page)
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.seen if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_it_loads_nothing_and_only_its_own_scripts_may_run(make_store) -> None:
    page = page_of(make_store({"mil": 2.0, "sequence": 2.0}))
    parsed = Tags(page)
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in parsed.seen}
    for tag, attributes in parsed.seen:
        assert "src" not in attributes or tag == "img"
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?://|url\(|@import", own_part(page))
    policy = next(a["content"] for tag, a in parsed.seen if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    for attributes, text in parsed.scripts:
        if attributes.get("type") == "application/json":
            json.loads(text)
        else:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
    assert page.count(PLOTLY) == 1


HOSTILE = "<script>alert(1)</script>\x1b[31m"


def test_everything_from_a_store_is_escaped(make_store) -> None:
    store = make_store({"mil": 2.0, "<script>x": 2.0}, dataset='"><img src=x onerror=alert(1)>')
    for folder in store.rglob("fold1"):
        result = json.loads((folder / "result.json").read_text())
        result |= {"command": HOSTILE, "versions": {HOSTILE: HOSTILE}, "precision": HOSTILE}
        (folder / "result.json").write_text(json.dumps(result))
        losses = json.dumps({HOSTILE: 0.5})
        rows = [[HOSTILE, epoch, 9, losses, 0.001, 50] for epoch in (1, 2)]
        columns = ["stage", "epoch", "step", "losses", "learning_rate", "images_per_second"]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "history.csv", index=False)
        pd.DataFrame([[1, HOSTILE, HOSTILE]], columns=["study_id", "note", "by"]).to_csv(folder / "notes.csv")
        JobFolder(folder).finish()
    for path in store.rglob("dataset.json"):
        path.write_text(json.dumps({"floor": None, "excluded": {"5": HOSTILE}, "data_hash": "d"}))
    page = own_part(page_of(store))
    assert page.count("<script") == page.count('<script type="application/json"') + 4  # three of our own, and plotly.js
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    assert "&lt;script&gt;x" in page
    assert Tags(page).open == []


def test_a_history_that_cannot_be_read_is_named(make_store) -> None:
    store = make_store({"mil": 2.0})
    next(store.rglob("fold2")).joinpath("history.csv").write_text("stage,epoch\nseverity,1\n")
    for folder in store.rglob("fold?"):
        JobFolder(folder).finish()
    assert "history.csv cannot be read" in page_of(store)


def test_one_section_for_each_data_set(make_store) -> None:
    store = make_store({"mil": 2.0})
    make_store({"mil": 2.0}, dataset="rsna2024", floor=None)
    page = page_of(store)
    assert page.count('<section class="document"') == 2
    second = page[page.index('id="section-2"') :].partition("<footer>")[0]
    assert "on this phantom" not in second
    assert "skill" not in second.lower()
    assert "scores of different sections are not comparable" in page


@pytest.mark.parametrize("folds", [2, 4])
def test_a_store_of_very_few_studies_makes_a_page(make_store, folds: int) -> None:
    assert "prior-quick" in page_of(make_store({"prior": 0.0}, studies=4, folds=folds))


def test_ranks_are_explained_and_given_from_three_seeds_on(make_store) -> None:
    page = page_of(make_store({"mil": 3.0, "other": 1.0}, seeds=(0, 1, 2)))
    assert 'data-name="rank"' in page
    assert "one more than the number of approaches of the same train fraction that are separably better" in page


def test_the_lead_names_the_best_of_the_main_comparison(make_store) -> None:
    store = make_store({"mil": 2.0, "like": 2.0})
    make_store({"mil": 4.0}, preset="quick-one-image")
    (comparison,) = compare_each(stored_jobs(store), resamples=300)
    assert comparison.approaches[0].ablation_of == "quick"  # lowest score, but no competitor
    said = lead(comparison)
    assert "one-image" not in said
    assert re.search(r"(mil|like)-quick has the lowest pooled out-of-fold score", said)
    assert re.search(r"These trained models are not separable from (mil|like)-quick \(n = 40\)\.", said)


def test_the_lead_says_what_the_best_is_separable_from(make_store) -> None:
    store = make_store({"sharp": 3.0, "blunt": 0.5}, dataset="rsna2024", floor=None)
    (comparison,) = compare_each(stored_jobs(store), resamples=500)
    said = lead(comparison)
    assert said.startswith("sharp-quick has the lowest pooled out-of-fold score of the complete approaches: ")
    assert said.endswith("These trained models are separable from all other complete approaches (n = 40).")
    assert "Score against the class prior" in page_of(store)


def test_train_fractions_in_names_are_explained_at_the_top_and_ablations_are_said_to_be_apart(make_store) -> None:
    make_store({"mil": 3.0}, train_fraction=0.2)
    make_store({"mil": 1.0}, preset="quick-one-image")
    (comparison,) = compare_each(stored_jobs(make_store({"mil": 3.0})), resamples=100)
    assert "(ablations apart)" in lead(comparison)
    assert "A number after @ is the train fraction" in lead(comparison)
    assert "mil-quick@0.2" in {result.label for result in comparison.approaches}


def test_a_figure_that_leaves_approaches_out_says_so() -> None:
    assert first_of(10, 10) == ""
    assert first_of(10, 16) == " The first 10 of 16 approaches; the table has all."
