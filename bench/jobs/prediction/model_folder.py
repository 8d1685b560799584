"""The folder of an exported model: ``model.json``, a checkpoint per trained job, a card, checksums of everything."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench
from bench import plugins
from bench.errors import BenchError, UsageError
from bench.files.atomic import explained, rename, write_text
from bench.files.checksums import MANIFEST, check_manifest, write_manifest
from bench.jobs.config import canonical
from bench.jobs.data_files import files_in_config
from bench.jobs.job import Job
from bench.jobs.prediction.card import card
from bench.jobs.prediction.member import Member, members_of
from bench.jobs.prediction.model_record import ModelRecord
from bench.jobs.store import StoredJob

RECORD, CARD, MODELS, FILES, PLUGIN = "model.json", "README.md", "models", "files", "plugin"
IGNORED = (CARD,)  # may be edited
SAFE_SUFFIXES = (".safetensors", ".json", ".csv", ".npy", ".skops", ".ubj", ".toml", ".txt")


def export_model(jobs: Sequence[StoredJob], out: Path) -> ModelRecord:
    """Write a folder that `bench predict --model` can use on another machine, without the store.

    Args:
        jobs: finished jobs of one approach.
        out: a folder that does not exist, or is empty; written whole or not at all.

    Raises:
        UsageError: the folder is in use, or an approach saved files that may run code.
        BenchError: a checkpoint is damaged, or the folder cannot be written.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(f"-o {out}: it exists and is not an empty folder. Name a new folder.")
    members = members_of(jobs)
    for member in members:
        _require_safe(Path(member.checkpoint), member.job.approach)
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        building = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
        building.mkdir()
    try:
        with explained(building):
            record = _fill(building, jobs, members)
        write_manifest(building, ignore=IGNORED)
        if out.is_dir():
            out.rmdir()
        rename(building, out)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return record


def read_model(folder: Path) -> ModelRecord:
    """What a model folder says, with absolute paths, once every file in it is as it was exported.

    Raises:
        UsageError: it is no model folder.
        BenchError: it is of another version, has other files than were exported, or a file is damaged.
    """
    if not folder.is_dir():
        what = "that is a file" if folder.exists() else "there is no such folder"
        raise UsageError(f"--model {folder}: {what}. Name a folder that `bench export` wrote.")
    record = ModelRecord.read(folder / RECORD)
    if record is None:
        raise UsageError(f"--model {folder}: it has no {RECORD}, so `bench export` did not write it.")
    wrong = check_manifest(folder, ignore=IGNORED)
    if wrong:
        raise BenchError(
            f"--model {folder} is not as it was exported: {'; '.join(wrong)}. Copy it again, or export the model anew."
        )
    for member in record.members:
        _require_safe(folder / member.checkpoint, member.job.approach)
    return record.model_copy(update={"members": tuple(_placed(one, record, folder) for one in record.members)})


def _fill(folder: Path, jobs: Sequence[StoredJob], members: Sequence[Member]) -> ModelRecord:
    job, split = jobs[0], jobs[0].files.split
    about = split.record()
    carried = []
    for member in members:
        checkpoint = f"{MODELS}/{member.name}"
        shutil.copytree(member.checkpoint, folder / checkpoint, ignore=shutil.ignore_patterns(MANIFEST))
        bare = _bare(member.job)
        carried.append(member.model_copy(update={"checkpoint": checkpoint, "job": bare}))
    record = ModelRecord(
        suite_version=bench.__version__,
        members=tuple(carried),
        caveat=about.caveat,
        studies=about.studies,
        parameters=job.result.parameters,
        versions=job.result.versions,
        hardware={name: str(value) for name, value in job.result.hardware.items()},
        precision=job.result.precision,
        files=_copy_files(folder, job),
        plugin=_copy_plugin(folder, job),
    )
    record.write(folder / RECORD)
    write_text(folder / CARD, card(record))
    return record


def _copy_files(folder: Path, job: Job) -> dict[str, str]:
    """Copy the files that the configuration names, such as local weights: by their names there, their paths here."""
    copied = {}
    for number, (value, path) in enumerate(files_in_config(json.loads(job.config)).items()):
        target = f"{FILES}/{number}-{path.name}"
        (folder / FILES).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / target)
        copied[value] = target
    return copied


def _copy_plugin(folder: Path, job: Job) -> str | None:
    """Copy a plug-in that was named with ``--plugin``. It is run only where somebody names the copy with --plugin."""
    paths = [Path(path) for path in job.plugins]
    plugin = plugins.find("approaches", job.approach, paths)
    if plugin.path is None or plugin.path not in [path.expanduser().resolve() for path in paths]:
        return None
    root = plugin.path.parent
    for path in plugin.files():
        target = folder / PLUGIN / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return f"{PLUGIN}/{plugin.path.name}"


def _bare(job: Job) -> Job:
    """The job without what is of one machine: the folder of its data, and where its plug-ins lie."""
    values = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    return Job(**{**values, "data": "", "plugins": ()})


def _placed(member: Member, record: ModelRecord, folder: Path) -> Member:
    """The member with absolute paths: of its checkpoint, and of files that its configuration names."""
    job = member.job
    if record.files:
        here = {old: str((folder / new).resolve()) for old, new in record.files.items()}
        config = _replaced(json.loads(job.config), here)
        values = {name: getattr(job, name) for name in Job.__dataclass_fields__}
        job = Job(**{**values, "config": canonical(config)})
    return member.model_copy(update={"job": job, "checkpoint": str((folder / member.checkpoint).resolve())})


def _replaced(value: Any, names: dict[str, str]) -> Any:
    """A configuration with some of its strings replaced."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: _replaced(inner, names) for key, inner in value.items()}
    return [_replaced(inner, names) for inner in value] if isinstance(value, list) else value


def _require_safe(checkpoint: Path, approach: str) -> None:
    """Refuse files of kinds that can run code when they are loaded."""
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in SAFE_SUFFIXES:
            raise UsageError(
                f"{approach} saved {path.relative_to(checkpoint)}, a kind of file that may run code when it is loaded. "
                f"Have `save` write {', '.join(SAFE_SUFFIXES)}."
            )
