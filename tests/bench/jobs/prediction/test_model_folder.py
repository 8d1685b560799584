from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import bench.jobs.prediction.member as member_module
from bench.errors import BenchError, UsageError
from bench.files.checksums import write_manifest
from bench.jobs.job import Job
from bench.jobs.prediction.member import check_source, members_of, selected
from bench.jobs.prediction.model_folder import CARD, IGNORED, RECORD, export_model, read_model
from bench.jobs.prediction.select import jobs_of_run
from bench.jobs.result import DamagedFileError


@pytest.fixture
def model(trained, tmp_path: Path) -> Path:
    export_model(trained.jobs, tmp_path / "model")
    return tmp_path / "model"


def test_a_model_holds_what_it_needs_and_nothing_of_this_machine(trained, model: Path) -> None:
    record = read_model(model)
    assert [member.name for member in record.members] == ["seed0-fold0", "seed0-fold1"]
    assert all(Path(member.checkpoint, "means.json").is_file() for member in record.members)
    text = (model / RECORD).read_text() + (model / CARD).read_text()
    assert str(trained.data) not in text
    assert str(trained.store) not in text
    assert "study_id" not in text
    assert record.plugin == "plugin/brightness.py"
    assert (model / record.plugin).read_bytes() == Path(trained.plugins[1]).read_bytes()


def test_the_card_says_what_was_trained_on_what(trained, model: Path) -> None:
    card = (model / CARD).read_text(encoding="utf-8")
    job = trained.jobs[0]
    assert card.startswith("# brightness-default, trained on toy:12")
    for words in (job.data_hash[:16], job.fold_hash[:16], "2 folds", "6 studies", f"{job.result.score:.4f}", "numpy"):
        assert words in card
    assert "Made-up brightness; says nothing about patients" in card
    assert "source of brightness" in card


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_exporting_twice_gives_the_same_files(trained, model: Path, tmp_path: Path) -> None:
    export_model(trained.jobs, tmp_path / "again")
    first, second = (contents(root) for root in (model, tmp_path / "again"))
    assert first == second


def test_a_folder_in_use_is_not_written_to(trained, model: Path) -> None:
    with pytest.raises(UsageError, match="not an empty folder"):
        export_model(trained.jobs, model)
    assert not list(model.parent.glob(".model.*"))


def _foreign(model: Path) -> None:
    (model / "notes.txt").write_text("mine")


def _foreign_in_a_checkpoint(model: Path) -> None:
    (model / "models" / "seed0-fold0" / "extra.json").write_text("{}")


def _missing(model: Path) -> None:
    (model / "models" / "seed0-fold1" / "means.json").unlink()


def _damaged(model: Path) -> None:
    path = model / "models" / "seed0-fold0" / "means.json"
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def _without_checksums(model: Path) -> None:
    (model / "checksums.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_foreign, "notes.txt is not among its checksums"),
        (_foreign_in_a_checkpoint, "extra.json is not among its checksums"),
        (_missing, "means.json is missing"),
        (_damaged, "means.json has changed"),
        (_without_checksums, "checksums.json is missing"),
    ],
)
def test_a_folder_that_is_not_as_exported_is_refused(model: Path, spoil: Callable[[Path], None], why: str) -> None:
    spoil(model)
    with pytest.raises(BenchError, match=why):
        read_model(model)


def test_the_card_may_be_edited(model: Path) -> None:
    (model / CARD).write_text("# Ours")
    assert len(read_model(model).members) == 2


def test_a_model_of_another_version_is_refused(model: Path) -> None:
    values = json.loads((model / RECORD).read_text())
    (model / RECORD).write_text(json.dumps({**values, "schema_version": 99}))
    with pytest.raises(DamagedFileError, match=r"schema version 99.*Export the model again"):
        read_model(model)


def test_files_that_may_run_code_are_refused(trained, model: Path) -> None:
    (model / "models" / "seed0-fold0" / "net.pkl").write_bytes(b"x")
    write_manifest(model, ignore=IGNORED)  # whoever made it vouches for it
    with pytest.raises(UsageError, match=r"net.pkl, a kind of file that may run code"):
        read_model(model)
    (trained.jobs[0].files.checkpoint / "net.pkl").write_bytes(b"x")
    write_manifest(trained.jobs[0].files.checkpoint)
    with pytest.raises(UsageError, match="may run code"):
        export_model(trained.jobs, model.parent / "other")


@pytest.mark.parametrize(("name", "why"), [("none", "there is no such folder"), ("runs", "has no model.json")])
def test_what_is_no_model_is_refused(trained, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_model(trained.store.parent / name)


def test_files_that_the_configuration_names_travel_along(trained, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    config = json.dumps({"epochs": 3, "inner": [str(weights)]})
    for job in trained.jobs:
        document = json.loads(job.files.job.read_text())
        document["job"]["config"] = config
        job.files.job.write_text(json.dumps(document))
        job.files.finish()
    export_model(trained.jobs, tmp_path / "model")
    weights.unlink()
    placed = json.loads(read_model(tmp_path / "model").members[0].job.config)
    assert Path(placed["inner"][0]).read_bytes() == b"weights"
    assert Path(placed["inner"][0]).is_relative_to(tmp_path / "model")


def test_another_source_is_refused_unless_asked_for(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(path) for path in trained.plugins]
    assert check_source(trained.members, paths) == []
    real = member_module.fingerprint

    def edited(job: Job, plugin: object) -> dict:
        return {**real(job, plugin), "source of brightness": "edited", "scoring": "edited", "data": "other"}

    monkeypatch.setattr(member_module, "fingerprint", edited)
    with pytest.raises(UsageError, match="trained with another version: source of brightness changed since"):
        check_source(trained.members, paths)
    assert check_source(trained.members, paths, refuse=False) == ["source of brightness"]


def test_a_model_whose_approach_is_not_here_says_how_to_name_it(model: Path) -> None:
    with pytest.raises(UsageError, match="name its file or folder with --plugin"):
        check_source(read_model(model).members, [])


def test_the_copy_of_the_plugin_counts_as_the_same_source(model: Path) -> None:
    assert check_source(read_model(model).members, [model / "plugin" / "brightness.py"]) == []


def test_a_damaged_checkpoint_of_the_store_is_refused(trained) -> None:
    (trained.jobs[0].files.checkpoint / "means.json").write_text("[0, 0, 0]")
    with pytest.raises(BenchError, match=r"is damaged: means.json .*bench run --force"):
        members_of(trained.jobs)


def test_folds_are_selected_by_number(trained, model: Path) -> None:
    members = read_model(model).members
    assert [member.name for member in selected(members, model, [1], [])] == ["seed0-fold1"]
    with pytest.raises(UsageError, match=r"--fold 7: .* has fold 0, 1 only"):
        selected(members, model, [7], [])


def test_a_run_is_found_by_folder_and_by_name(trained) -> None:
    job = trained.jobs[0]
    for run in ("brightness", "brightness-default", job.run_name, str(trained.store)):
        assert [each.fold for each in jobs_of_run(run, trained.store)] == [0, 1]
    assert [each.fold for each in jobs_of_run(str(job.folder), trained.store)] == [0]
    with pytest.raises(UsageError, match=r"brightnes"):
        jobs_of_run("brightnes", trained.store)
    with pytest.raises(UsageError, match=r"--fold 9: .* no finished job of it. Finished: 0, 1"):
        jobs_of_run("brightness", trained.store, folds=[9])


def test_jobs_that_are_not_finished_are_left_out_and_named(trained) -> None:
    trained.jobs[1].files.done.unlink()
    said: list[str] = []
    assert [job.fold for job in jobs_of_run("brightness", trained.store, say=said.append)] == [0]
    assert said == ["left out: brightness-default fold 1 is interrupted"]
