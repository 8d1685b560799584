"""``bench report``: the JSON document, the page's place, and wrong use."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.report import command
from bench.errors import DataError, UsageError
from bench.jobs.folder import JobFolder


def invoke(*arguments: object):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_json_of_one_section(make_store) -> None:
    document = json.loads(invoke(make_store({"mil": 2.0, "prior": 0.0}), "--json").stdout)
    assert document["schema_version"] == 1
    assert document["reference"]["floor"] == pytest.approx(0.3)
    assert 0.5 < document["reference"]["prior"] < 1.5
    first = document["approaches"][0]
    assert (first["name"], first["preset"], len(first["folds"])) == ("mil", "quick", 4)
    assert first["interval"][0] < first["score"] < first["interval"][1]
    assert first["parts"].keys() == {"spinal", "foraminal", "subarticular", "any_severe_spinal"}
    assert first["skill"] > 0
    assert (first["fit_seconds"], first["predict_seconds"], first["peak_memory_mb"]) == (40.0, 8.0, 503.0)
    assert document["ranked"] is False


def test_json_of_several_sections(make_store) -> None:
    store = make_store({"mil": 2.0})
    make_store({"mil": 2.0}, dataset="rsna2024", floor=None)
    document = json.loads(invoke(store, "--json").stdout)
    assert [section["dataset"] for section in document["sections"]] == ["phantom:small", "rsna2024"]
    assert document["sections"][1]["reference"]["floor"] is None


def test_page_and_json_at_once(make_store, tmp_path: Path) -> None:
    result = invoke(make_store({"mil": 2.0}), "--json", "-o", tmp_path / "page.html")
    assert json.loads(result.stdout)["approaches"]
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_the_default_store_and_page(make_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store({"mil": 2.0})
    monkeypatch.chdir(tmp_path)
    assert "report.html" in invoke().stdout
    assert (tmp_path / "report.html").is_file()


def test_named_runs_alone(make_store) -> None:
    store = make_store({"mil": 2.0, "sequence": 2.0, "prior": 0.0})
    named = [next(store.rglob(f"{name}-quick-*")) for name in ("mil", "prior")]
    document = json.loads(invoke(*named, named[0] / "seed0", "--json").stdout)
    assert [approach["name"] for approach in document["approaches"]] == ["mil", "prior"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["."], "no runs there"),
        (["--report", "comparsion"], "Did you mean 'comparison'"),
        (["--format", "htm"], "Did you mean 'html'"),
    ],
)
def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        invoke(*arguments)


def test_every_format_under_its_own_name(make_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store({"mil": 2.0})
    monkeypatch.chdir(tmp_path)
    invoke(store, "--format", "html,md", "--format", "csv", "-o", "out/paper.html")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["paper-csv", "paper.html", "paper.md"]
    assert (tmp_path / "out" / "paper-csv" / "leaderboard.csv").is_file()
    invoke(store, "--format", "latex,json")
    assert json.loads((tmp_path / "report.json").read_text())["analysis"]["costs"]
    assert (tmp_path / "report.tex").is_file()
    assert not (tmp_path / "report.html").exists()


def test_figures_alone_beside_json(make_store, tmp_path: Path) -> None:
    result = invoke(make_store({"mil": 2.0}), "--json", "--figures", tmp_path / "figures")
    assert json.loads(result.stdout)["approaches"]
    assert (tmp_path / "figures" / "scores.svg").is_file()
    assert not (tmp_path / "report.html").exists()


def test_the_table_is_on_screen_and_fits_it(make_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = invoke(make_store({"mil": 2.0, "another_approach": 1.0}), "-o", tmp_path / "page.html").stdout
    table = text.partition("report: ")[0]
    assert all(len(line) <= 60 for line in table.splitlines())
    assert "mil" in table
    assert "class prior" in table
    assert "Left out on this narrow screen" in " ".join(table.split())


def test_what_is_damaged_is_named_and_left_out(make_store, tmp_path: Path) -> None:
    store = make_store({"mil": 2.0, "other": 2.0, "older": 2.0})
    make_store({"mil": 2.0}, dataset="broken")
    make_store({"mil": 2.0}, dataset="unfinished", failed={("mil", 0, fold) for fold in range(4)})
    next(store.rglob("phantom-small-*/*/other-*/seed0/fold1/predictions.csv")).write_text("changed")
    next(store.rglob("phantom-small-*/*/other-*/seed0/fold2/job.json")).write_text("{")
    for path in store.rglob("older-*/seed0/fold?/result.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
        JobFolder(path.parent).finish()
    next(store.rglob("broken-*/*/labels.csv")).write_text("study_id\n1\n")
    result = invoke(store, "-o", tmp_path / "page.html")
    said = " ".join(result.stderr.split())
    for words in ("job.json is damaged", "broken", "unfinished", "none of its 4 jobs is finished"):
        assert words in said, words
    page = (tmp_path / "page.html").read_text()
    assert page.count('<section class="document"') == 1
    for words in ("predictions.csv changed since it was finished", "job.json is damaged", "schema version 99"):
        assert words in page, words
    assert "older-quick" not in page.partition("Unscored jobs</h3>")[0].partition("<h3>")[2].partition("Save as CSV")[0]


def test_a_split_that_is_damaged_alone_is_an_error(make_store) -> None:
    store = make_store({"mil": 2.0})
    next(store.rglob("labels.csv")).write_text("study_id\n1\n")
    with pytest.raises(DataError, match="was changed since"):
        invoke(store, "--json")


def test_names_do_not_reach_the_terminal_with_their_control_characters(make_store, tmp_path: Path) -> None:
    result = invoke(make_store({"mil\x1b[31m": 2.0}, dataset="d\x1b]0;t\x07"), "-o", tmp_path / "page.html")
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_a_folder_as_output(make_store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is a folder"):
        invoke(make_store({"mil": 2.0}), "-o", tmp_path)


def test_a_file_where_a_folder_is_needed(make_store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = make_store({"mil": 2.0})
    with pytest.raises(UsageError, match="csv is a folder"):
        invoke(store, "--format", "csv", "-o", tmp_path / "file")
    with pytest.raises(UsageError, match="that is a file"):
        invoke(store, "--figures", tmp_path / "file")


def test_a_device_is_written_to_and_never_replaced(make_store, tmp_path: Path) -> None:
    store, link = make_store({"mil": 2.0}), tmp_path / "null.html"
    link.symlink_to("/dev/null")
    result = invoke(store, "-o", link)
    assert link.is_symlink()
    assert result.stdout == ""  # the report may have gone there
    with pytest.raises(UsageError, match="takes one format, and 2 are asked for"):
        invoke(store, "-o", link, "--format", "html,md")
