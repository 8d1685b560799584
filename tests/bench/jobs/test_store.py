"""A job's folder: what holds, what is stale, what is damaged, and that nothing damaged stays so."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.jobs import folder as job_folder
from bench.jobs import split as split_folder
from bench.jobs.fingerprint import SCORING
from bench.jobs.folder import CHECKED, JobFolder
from bench.jobs.result import DamagedFileError, Failure, JobRecord, Result
from bench.jobs.store import judge_folder, read_job, read_store, stored_jobs

ROOT = Path(__file__).parents[3]
FINGERPRINT = {"source of bench.training": "a"}
DAMAGE = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: b"",
    "a list": lambda text: b"[1, 2]",
    "another shape": lambda text: b'{"schema_version": 2, "colour": "blue"}',
    "no text": lambda text: b"\xff\xfe\x00",
    "a later schema": lambda text: text.replace(b'"schema_version": 2', b'"schema_version": 99'),
}


@pytest.fixture
def files(make_store) -> JobFolder:
    """A finished job."""
    return stored_jobs(make_store({"mil": 2.0}, folds=2))[0].files


def damage(path: Path, kind: str) -> None:
    path.write_bytes(DAMAGE[kind](path.read_bytes()))


def names_of_the_store() -> set[str]:
    """What files and folders of a store are called; `lock` is also the volume cache's."""
    constants = {**vars(job_folder), **vars(split_folder)}
    names = {value for name, value in constants.items() if name.isupper() and isinstance(value, str)}
    return {name for name in names if re.fullmatch(r"[\w-]+(\.\w+)?", name)} - {job_folder.OLD_LOCK}


def spellings(path: Path, names: set[str]) -> list[str]:
    """Where a source file spells a name of the store outside docstrings, or climbs up from a job's folder."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    docstrings = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    with_suffix = "|".join(re.escape(name) for name in names if "." in name)
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                if re.search(rf"(?<![\w.-])({with_suffix})(?![\w-])", text):
                    found.append(f"{path}:{node.lineno} {text!r}")
            case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str(text))) if text in names:
                found.append(f"{path}:{node.lineno} / {text!r}")
            case ast.Subscript(value=ast.Attribute(attr="parents")):
                found.append(f"{path}:{node.lineno} parents[...]")
    return found


def test_no_file_of_the_store_is_named_elsewhere() -> None:
    names = names_of_the_store()
    assert {"result.json", "folds.csv", "resume", "stages", "done", "notes.csv"} <= names
    known = {ROOT / "bench" / "jobs" / f"{name}.py" for name in ("folder", "split", "result", "store")}
    sources = {path for room in ("bench", "approaches", "reports") for path in (ROOT / room).rglob("*.py")}
    assert [found for path in sorted(sources - known) for found in spellings(path, names)] == []


@pytest.mark.parametrize("line", ['x = "folds.csv"', 'x = f"{y}/result.json"', 'x = y / "done"', "x = y.parents[2]"])
def test_such_a_spelling_is_found(tmp_path: Path, line: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(line)
    assert spellings(path, names_of_the_store())


def test_what_holds_is_reused(files: JobFolder) -> None:
    assert judge_folder(files, FINGERPRINT).action == "reuse"


def test_what_was_never_started_is_started(tmp_path: Path) -> None:
    files = JobFolder(tmp_path / "data" / "folds" / "run" / "seed0" / "fold0")
    assert judge_folder(files, FINGERPRINT).action == "start"
    files.path.mkdir(parents=True)
    files.log.write_text("it ended before it had said what it is for")
    Failure(reason="no such plug-in").write(files.failed)
    assert judge_folder(files, FINGERPRINT).action == "start"
    assert files.set_aside() is None


@pytest.mark.parametrize("left", ["fitted.json", "checkpoint", "resume", "predictions.csv"])
def test_without_its_job_nothing_in_a_folder_is_trusted(files: JobFolder, left: str) -> None:
    shutil.rmtree(files.path)
    files.path.mkdir()
    (files.path / left).mkdir() if "." not in left else (files.path / left).write_text("{}")
    verdict = judge_folder(files, FINGERPRINT)
    assert (verdict.action, verdict.why) == ("replace", "it has no job.json")


def test_a_changed_part_is_named_and_scoring_alone_is_scored_anew(files: JobFolder) -> None:
    verdict = judge_folder(files, {"source of bench.training": "b"})
    assert (verdict.action, verdict.why) == ("replace", "changed since: source of bench.training")
    assert judge_folder(files, {**FINGERPRINT, SCORING: "b"}).action == "score"
    assert judge_folder(files, {"source of bench.training": "b", SCORING: "b"}).action == "replace"
    files.done.unlink()
    assert judge_folder(files, {**FINGERPRINT, SCORING: "b"}).action == "resume"


def test_setting_aside_is_one_rename_of_all_but_the_lock(files: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {path.name for path in files.path.iterdir()}
    files.lock.write_text("{}")
    renames = []
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda *paths, **options: (renames.append(paths), real(*paths, **options))[1])
    target = files.set_aside()
    assert [Path(source) for source, _ in renames] == [files.path]
    assert target is not None
    assert {path.name for path in target.iterdir()} == held
    assert not files.path.exists()
    assert files.lock.exists()
    assert len(stored_jobs(files.split.path)) == 1  # the other fold


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_job_file_is_named_and_the_job_made_anew(files: JobFolder, kind: str) -> None:
    damage(files.job, kind)
    verdict = judge_folder(files, FINGERPRINT)
    assert verdict.action == "replace"
    assert str(files.job) in verdict.why
    assert "bench run" in verdict.why
    if kind == "a later schema":
        assert "schema version 99" in verdict.why
    with pytest.raises(DamagedFileError):
        read_job(files.path)
    jobs, unreadable = read_store(files.split.path)
    assert [job.fold for job in jobs] == [1]
    assert [each.folder for each in unreadable] == [files.path]


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("resealed", [False, True])
def test_a_damaged_result_is_named_and_the_job_made_anew(files: JobFolder, kind: str, resealed: bool) -> None:
    damage(files.result, kind)
    if resealed:
        files.finish()
    verdict = judge_folder(files, FINGERPRINT)
    assert verdict.action == "replace"
    assert "result.json" in verdict.why
    if resealed and kind == "a later schema":
        assert f"{files.result} has schema version 99" in verdict.why
    stored = read_job(files.path)
    assert stored is not None
    assert stored.status == "damaged"


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_done_mark_is_named(files: JobFolder, kind: str) -> None:
    damage(files.done, kind)
    verdict = judge_folder(files, FINGERPRINT)
    assert verdict.action == "replace"
    assert str(files.done) in verdict.why or "changed since it was finished" in verdict.why


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_note_of_failure_says_so(files: JobFolder, kind: str) -> None:
    files.done.unlink()
    Failure(reason="out of memory").write(files.failed)
    damage(files.failed, kind)
    stored = read_job(files.path)
    assert stored is not None
    assert stored.status == "failed"
    assert stored.failure is not None
    assert str(files.failed) in stored.failure.reason
    assert judge_folder(files, FINGERPRINT).action == "resume"


@pytest.mark.parametrize("name", CHECKED)
def test_every_file_that_is_read_back_is_covered(files: JobFolder, name: str) -> None:
    for path in (files.notes, files.history, files.points, files.evidence, files.true_point_predictions):
        path.write_text("study_id\n1\n")
    files.finish()
    assert files.why_damaged() is None
    path = files.path / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert files.why_damaged() == f"its {name} changed since it was finished"
    path.unlink()
    assert files.why_damaged() == f"its {name} is gone since it was finished"


def test_a_file_that_was_added_is_noticed(files: JobFolder) -> None:
    shutil.copy(files.predictions, files.true_point_predictions)
    assert files.why_damaged() == "its predictions_true_points.csv changed since it was finished"


def test_a_result_that_is_gone_is_no_result(files: JobFolder) -> None:
    files.done.unlink()
    files.result.unlink()
    stored = read_job(files.path)
    assert stored is not None
    with pytest.raises(DataError, match="holds no result"):
        assert stored.result


def test_a_job_is_not_looked_for_within_a_job(files: JobFolder) -> None:
    files.checkpoint.mkdir()
    shutil.copy(files.job, files.checkpoint)
    assert len(stored_jobs(files.split.path)) == 2


def test_documents_say_which_version_they_were_read_in(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"schema_version": 1, "status": "done", "fit_seconds": 1.5, "predict_seconds": 0.5}))
    result = Result.read(path)
    assert result is not None
    assert (result.schema_version, result.fit_seconds, result.shared_seconds) == (1, 1.5, 0.0)
    result.write(path)
    assert Result.read(path).schema_version == 2
    assert JobRecord.read(tmp_path / "absent.json") is None
