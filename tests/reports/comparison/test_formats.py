"""The same content as Markdown, LaTeX, CSV, JSON and figures."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from bench.comparison import compare_each
from bench.comparison.analysis import analyse
from bench.jobs.store import stored_jobs
from bench.report import Output
from bench.reports.comparison.formats.csv_tables import csv_text
from bench.reports.comparison.formats.drawing import drawn, write_figures
from bench.reports.comparison.model import Cell, Column, Document, Table
from bench.reports.comparison.report import ComparisonReport, documents_of

HOSTILE = "=cmd|'calc'!A0"


@pytest.fixture
def written(make_store, tmp_path: Path) -> Callable[..., Path]:
    """A store's report in every format, in one folder."""

    def make(sharpness: dict[str, float], **options: object) -> Path:
        comparisons = compare_each(stored_jobs(make_store(sharpness, **options)), resamples=100)
        out = tmp_path / "out"
        outputs = [
            Output(out / name, kind)
            for name, kind in (("r.md", "md"), ("r.tex", "latex"), ("r.json", "json"), ("csv", "csv"))
        ]
        ComparisonReport().write(comparisons, outputs)
        return out

    return make


def documents(store: Path) -> list[Document]:
    return documents_of([analyse(each) for each in compare_each(stored_jobs(store), resamples=100)])


def test_all_formats_hold_the_same_scores(written) -> None:
    out = written({"mil": 2.0, "other": 1.0, "prior": 0.0})
    document = json.loads((out / "r.json").read_text())
    scores = [approach["score"] for approach in document["approaches"]]
    rows = list(csv.DictReader((out / "csv" / "leaderboard.csv").open()))
    assert [float(row["score"]) for row in rows[:3]] == scores
    assert float(rows[0]["95 % interval low"]) == document["approaches"][0]["interval"][0]
    for score in scores:
        assert f"{score:.4f}" in (out / "r.md").read_text()
        assert f"{score:.4f}" in (out / "r.tex").read_text()
    assert document["analysis"]["blends"]["labels"] == ["mil-quick", "other-quick"]
    assert len(document["analysis"]["loss_shares"]) > 60


def test_every_table_has_its_file_and_its_heading(written, make_store) -> None:
    out = written({"mil": 2.0, "other": 1.0, "prior": 0.0})
    (document,) = documents(make_store({}))
    tables = [table for section in document.sections for table in section.tables]
    assert {path.stem for path in (out / "csv").iterdir()} == {table.key for table in tables}
    text = (out / "r.md").read_text()
    for table in tables:
        assert f"#### {table.title}" in text
    for section in document.sections:
        assert f"### {section.title}" in text


def test_figures_are_readable_files_and_equal_each_time(make_store, tmp_path: Path) -> None:
    (document,) = documents(make_store({"mil": 2.0, "a$b$": 1.0, "prior": 0.0}))
    figures = [figure for section in document.sections for figure in section.figures]
    assert {"scores", "differences", "roc", "reliability", "cost"} <= {figure.key for figure in figures}
    scores, cost = (next(figure for figure in figures if figure.key == key) for key in ("scores", "cost"))
    for figure in (scores, cost):
        found = drawn(figure)
        assert ElementTree.fromstring(found["svg"]).tag.endswith("svg")
        with Image.open(io.BytesIO(found["png"])) as image:
            assert min(image.size) > 300
        assert drawn(figure) == found


@pytest.mark.slow
def test_every_figure_can_be_drawn(make_store, tmp_path: Path) -> None:
    found = documents(make_store({"mil": 2.0, "other": 1.0, "prior": 0.0}))
    written = write_figures(found, tmp_path)
    assert len(written) == 2 * sum(len(section.figures) for section in found[0].sections)
    assert all(path.stat().st_size > 1000 for path in written)


def test_names_can_be_neither_formulas_nor_markup(written) -> None:
    out = written({HOSTILE: 2.0, "a_b & c|d <script> \x1b[31m": 1.0})
    rows = list(csv.reader((out / "csv" / "leaderboard.csv").open()))
    assert f"'{HOSTILE}-quick" in [row[0] for row in rows]
    markdown = (out / "r.md").read_text()
    assert "\x1b" not in markdown
    assert "<script>" not in re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    for block in markdown.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1
    latex = (out / "r.tex").read_text()
    assert r"a\_b \& c\textbar{}d \textless{}script\textgreater{}" in latex


def test_an_interval_is_two_columns_and_nothing_is_an_empty_field() -> None:
    columns = (Column("=name", "text"), Column("score"), Column("ends", "interval"))
    rows = (
        (Cell("@x", "@x"), Cell("–", None), Cell("–", None)),
        (Cell("y", "y"), Cell("0.1", 0.1 + 0.2), Cell("", (1.0, 2.0))),
    )
    found = list(csv.reader(io.StringIO(csv_text(Table("key", "title", columns, rows)))))
    assert found == [
        ["'=name", "score", "ends low", "ends high"],
        ["'@x", "", "", ""],
        ["y", "0.30000000000000004", "1.0", "2.0"],
    ]


def test_several_data_sets_have_folders_of_their_own(written, make_store, tmp_path: Path) -> None:
    make_store({"mil": 2.0}, dataset="rsna2024", floor=None)
    out = written({"mil": 2.0})
    assert (out / "csv" / "section-1" / "leaderboard.csv").is_file()
    assert (out / "csv" / "section-2" / "leaderboard.csv").is_file()
    assert [section["dataset"] for section in json.loads((out / "r.json").read_text())["sections"]] == [
        "phantom:small",
        "rsna2024",
    ]


def test_latex_takes_no_brackets_as_arguments_and_keeps_hyphens_apart(written) -> None:
    latex = (written({"[9cm] --seed": 2.0, "*star": 1.0}) / "r.tex").read_text()
    assert "{[}9cm] -{}-seed-quick" in latex
    assert "{*}star-quick" in latex
    assert not re.search(r"^[\[*]", latex, re.MULTILINE)  # would belong to the line break before


@pytest.mark.slow
def test_the_latex_compiles(written) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on this machine")
    out = written({"mil": 2.0, HOSTILE: 1.0})
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "r.tex"]
    subprocess.run(command, cwd=out, check=True, capture_output=True, timeout=120)
