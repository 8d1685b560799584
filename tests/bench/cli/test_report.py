"""``bench report``: the JSON document, the page's place, and wrong use."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.report import command
from bench.errors import UsageError


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
    ],
)
def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        invoke(*arguments)


def test_a_folder_as_output(make_store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is a folder"):
        invoke(make_store({"mil": 2.0}), "-o", tmp_path)
