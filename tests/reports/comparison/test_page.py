"""The page: complete, escaped, and a file that loads nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from bench.comparison import compare_each
from bench.jobs.folder import JobFolder
from bench.jobs.store import stored_jobs
from bench.plugins import load
from bench.reports.comparison.page import render
from bench.reports.comparison.words import lead


def page_of(store: Path) -> str:
    return render(compare_each(stored_jobs(store), resamples=300))


class Tags(HTMLParser):
    """Checks that tags are closed in order, and keeps what it sees."""

    void = ("meta", "br", "line", "polyline")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_plugin_is_found_and_writes_a_file(make_store, tmp_path: Path) -> None:
    comparisons = compare_each(stored_jobs(make_store({"mil": 2.0})), resamples=300)
    load("reports", "comparison")().write(comparisons, tmp_path / "new" / "report.html")
    assert "mil-quick" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")


def test_what_it_says(make_store) -> None:
    page = page_of(make_store({"mil": 3.0, "like": 3.0, "prior": 0.0}, failed={("prior", 0, 1)}))
    for words in (
        "phantom:small",
        "Phantom; ranks approaches on this phantom, not on patients",
        "for these trained models, not for the approaches",
        "not separable",
        "floor 0.300",
        "no readable series",
        "out of memory",
        "incomplete: 3 of 4 folds",
        "device cpu",
        "n = 40",
    ):
        assert words in page, words
    parsed = Tags(page)
    assert parsed.open == []


def test_it_loads_nothing_and_runs_nothing(make_store) -> None:
    page = page_of(make_store({"mil": 2.0, "sequence": 2.0}))
    parsed = Tags(page)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in parsed.seen}
    for _, attributes in parsed.seen:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|//[a-z]|url\(|@import", page)


HOSTILE = "<script>alert(1)</script>"


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
    page = page_of(store)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    assert "&lt;script&gt;x" in page


def test_training_curves_and_a_history_that_cannot_be_read(make_store) -> None:
    store = make_store({"mil": 2.0})
    for folder in store.rglob("fold*"):
        if folder.is_dir():
            lines = ["stage,epoch,step,losses,learning_rate,images_per_second"]
            lines += [f'severity,{epoch},9,"{{""grade"": {1 / epoch}}}",0.001,120' for epoch in (1, 2, 3)]
            (folder / "history.csv").write_text("\n".join(lines) + "\n")
    next(store.rglob("fold2")).joinpath("history.csv").write_text("stage,epoch\nseverity,1\n")
    for folder in store.rglob("fold?"):
        JobFolder(folder).finish()
    page = page_of(store)
    assert page.count('class="one"') == 3
    assert "120 images per second" in page
    assert "history.csv cannot be read" in page


def test_one_section_for_each_data_set(make_store) -> None:
    store = make_store({"mil": 2.0})
    make_store({"mil": 2.0}, dataset="rsna2024", floor=None)
    page = page_of(store)
    assert page.count("<section") == 2
    second = page[page.index('id="section-2"') :]
    assert "on this phantom" not in second
    assert "skill" not in second.lower()
    assert "scores of different sections are not comparable" in page


@pytest.mark.parametrize("folds", [2, 4])
def test_a_store_of_very_few_studies_makes_a_page(make_store, folds: int) -> None:
    assert "prior-quick" in page_of(make_store({"prior": 0.0}, studies=4, folds=folds))


def test_the_lead_names_the_best_of_the_main_comparison(make_store) -> None:
    store = make_store({"mil": 2.0, "like": 2.0})
    make_store({"mil": 4.0}, preset="quick-one-image")
    (comparison,) = compare_each(stored_jobs(store), resamples=300)
    assert comparison.approaches[0].ablation_of == "quick"  # lowest score, but no competitor
    said = lead(comparison)
    assert "one-image" not in said
    assert re.search(r"(mil|like)-quick has the lowest pooled out-of-fold score", said)
    assert re.search(r"These trained models are not separable from (mil|like)-quick \(n = 40\)\.", said)
