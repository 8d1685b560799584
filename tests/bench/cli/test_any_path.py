"""Folders and files of any name that the system allows, of any length."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import list as list_verb
from bench.cli import main, report
from bench.cli.data import check
from bench.jobs import plan
from bench.jobs.execute import execute
from bench.jobs.order import Order
from bench.jobs.plan import Request
from bench.jobs.store import stored_jobs

PLUGINS = Path(__file__).parents[2] / "plugins"
NAMES = {
    "latin-1": os.fsdecode(b"caf\xe9"),
    "a line end and markup": "a\n[bold]b' \"",
    "long": "x" * 250,
    "formula": "=1+1 --flag",
}
# The default tests have one run, in folders of all these names, one within the other.
ALL_AT_ONCE = str(Path(*NAMES.values()))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(ALL_AT_ONCE, id="all"),
        *(pytest.param(NAMES[kind], id=kind, marks=pytest.mark.slow) for kind in NAMES),
    ],
)
def test_a_run_in_folders_of_any_name(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / name
    base.mkdir(parents=True)
    for plugin in ("toy", "brightness"):
        shutil.copy(PLUGINS / f"{plugin}.py", base)
    options = ["--plugin", str(base / "toy.py"), "--plugin", str(base / "brightness.py")]
    request = Request(
        approaches=["brightness"],
        dataset="toy",
        folds="2",
        only_folds=[0],
        plugins=[base / "toy.py", base / "brightness.py"],
        out=base / "runs",
        cache=base / "cache",
        command="bench run " + " ".join(options),
    )
    prepared = plan.prepare(request, lambda *_: None)
    for job in prepared.jobs:
        order = Order(job, request.out, request.cache, "cpu", "fp32", 1, 1, request.command)
        assert execute(order, lambda *_, **__: None) == "done"
    assert [state.status for state in plan.survey(request, prepared.jobs)] == ["done"]
    stored = stored_jobs(request.out)
    assert {job.plugins for job in stored} == {tuple(map(str, request.plugins))}
    assert stored[0].result.command == request.command
    for command, *words in (
        (list_verb.command, "runs", "--out", request.out),
        (list_verb.command, "--json", "--out", request.out),
        (report.command, request.out, "-o", base / "page.html"),
        (report.command, request.out, "-o", base / "tables", "--format", "csv"),
        (check.command, base / "cache" / "toy-12", "--json"),
    ):
        result = CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert (base / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "{}"],
        ["run", "--approach", "prior", "--out", "{}"],
        ["run", "--approach", "prior", "--cache-dir", "{}"],
        ["run", "--approach", "prior", "--dataset", "rsna2024", "--data", "{}"],
        ["run", "--approach", "prior", "--plugin", "{}"],
        ["score", "{}", "{}"],
        ["report", "{}"],
    ],
)
def test_names_that_no_file_system_allows_are_an_error_with_a_cure(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("x" * 300, "deep/" * 1500):
        with pytest.raises(SystemExit) as ended:
            main([word.format(path) for word in words])
        told = capsys.readouterr().err
        assert ended.value.code in (1, 2), told
        assert told.startswith("error: ")
        assert "Traceback" not in told
