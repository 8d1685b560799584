"""Building a phantom: study by study, in worker processes, resumed where it was interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.dataset import Progress
from bench.errors import BenchError, DataError, UsageError
from bench.files.atomic import explained, explanation
from bench.files.locks import Lock
from bench.imaging.workers import Failure, run_isolated

from .files import write_study
from .presets import VERSION, Preset, parse_preset
from .scan import scan_series
from .tables import StudyRows, plan, rows_of, write_json, write_tables

MANIFEST = "phantom.json"
_MOST_STUDIES = 10_000  # ids are unique up to here
_STUDY_LIMIT_S = 1800.0  # a study takes seconds


def build(
    folder: Path,
    *,
    preset: str,
    studies: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = lambda what, done, total: None,
    tables_only: bool = False,
) -> Path:
    """Build a phantom into a folder in the competition's layout; what is already there is kept.

    Args:
        folder: an empty or absent folder, or one that an earlier call with the same arguments left unfinished.
        preset: a name in `PRESETS`.
        studies: how many; by default as many as the preset has.
        seed: every study depends on it and its own index alone.
        jobs: worker processes.
        progress: called after every study.
        tables_only: write no images.
    Returns:
        The folder.
    Raises:
        UsageError: a bad number, an unknown preset, or a folder that holds something else.
    """
    size, _ = parse_preset(preset)
    count = size.studies if studies is None else studies
    if not 1 <= count <= _MOST_STUDIES:
        raise UsageError(f"a phantom of {count} studies cannot be built: ask for 1 to {_MOST_STUDIES:,}.")
    if seed < 0:
        raise UsageError(f"seed {seed} is negative: it must be a whole number of 0 or more.")
    manifest = {"schema_version": 1, "version": VERSION, "seed": seed, "preset": size.name, "studies": count}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with Lock(folder.with_name(f".{folder.name}.lock")):  # two builders in one folder: the second finds it done
            for left_over in folder.glob(".*.tmp"):  # of a builder that was killed
                left_over.unlink(missing_ok=True)
            _claim(folder, manifest)
            rows = _tables(folder, size, seed, count, progress)
            if not tables_only:
                _images(folder, size, seed, rows, jobs, progress)
            images = not tables_only or bool((read_manifest(folder) or {}).get("images"))
            write_json(folder / MANIFEST, {**manifest, "complete": True, "images": images})
    except OSError as error:
        why = explanation(error, folder)
        raise DataError(
            f"cannot build the phantom: {why} What is there is kept; the same command goes on from it."
        ) from error
    return folder


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What a folder says that it holds, or None if it holds no phantom."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def is_complete(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether the folder holds exactly this phantom with all its images."""
    found = read_manifest(folder) or {}
    return bool(found.get("complete") and found.get("images")) and all(found.get(k) == v for k, v in manifest.items())


def _claim(folder: Path, manifest: dict[str, Any]) -> None:
    """Make the folder, or make sure that what is in it is the beginning of this phantom."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder to build the phantom in.")
    folder.mkdir(parents=True, exist_ok=True)
    found = read_manifest(folder)
    if found is None:
        if any(folder.iterdir()):
            raise UsageError(f"{folder} holds something else than a phantom: name an empty or a new folder.")
        write_json(folder / MANIFEST, {**manifest, "complete": False, "images": False})
        return
    for key in ("version", "seed", "preset"):
        if found.get(key) != manifest[key]:
            raise UsageError(
                f"{folder} holds a phantom of {key} {found.get(key)}, not {manifest[key]}: "
                f"name another folder, or pass that {key}."
            )
    if found.get("studies", 0) > manifest["studies"]:
        raise UsageError(
            f"{folder} holds a phantom of {found['studies']} studies, more than {manifest['studies']}: "
            f"name another folder, or pass --studies {found['studies']}."
        )
    if found.get("studies", 0) < manifest["studies"]:
        write_json(folder / MANIFEST, {**manifest, "complete": False, "images": False})


def _tables(folder: Path, preset: Preset, seed: int, count: int, progress: Progress) -> list[StudyRows]:
    rows = []
    for index in range(count):
        rows.append(rows_of(plan(seed, index, preset)))
        if index % 50 == 49 or index == count - 1:
            progress("planning phantom studies", index + 1, count)
    write_tables(folder, rows)
    return rows


def _images(folder: Path, preset: Preset, seed: int, rows: list[StudyRows], jobs: int, progress: Progress) -> None:
    images = folder / "train_images"
    images.mkdir(exist_ok=True)
    _clear_unfinished(images)  # of a builder that was killed
    missing = [index for index, row in enumerate(rows) if not (images / str(row.study_id)).is_dir()]
    done = len(rows) - len(missing)
    progress("building phantom studies", done, len(rows))
    tasks = [(images, preset.name, seed, index) for index in missing]
    for number, _ in enumerate(_run(tasks, jobs)):
        progress("building phantom studies", done + number + 1, len(rows))
    _clear_unfinished(images)  # of a worker that was killed


def _clear_unfinished(images: Path) -> None:
    for unfinished in images.glob(".*"):
        shutil.rmtree(unfinished)


def _run(tasks: list[tuple[Path, str, int, int]], jobs: int) -> Iterator[None]:
    """Yield once for every task done, in whatever order. A study whose worker was killed is built again."""
    if jobs <= 1 or len(tasks) <= 1:
        for task in tasks:
            build_study(*task)
            yield
        return
    for index, outcome in run_isolated(build_study, tasks, jobs=jobs, limit_s=lambda _: _STUDY_LIMIT_S):
        if isinstance(outcome, BenchError):
            raise outcome
        if isinstance(outcome, Failure):
            images, *_, number = tasks[index]
            raise DataError(
                f"study {number + 1} of the phantom in {images.parent} could not be built in two tries: {outcome.what}."
                " What is there is kept; the same command goes on from it. If memory or disk is short, free some, or "
                "build with fewer --jobs."
            )
        yield


def build_study(images: Path, preset: str, seed: int, index: int) -> None:
    """Scan one study and write its files: whole or not at all."""
    study = plan(seed, index, parse_preset(preset)[0])
    scans = [
        (series, scan_series(seed, index, number, series, study.patient)) for number, series in enumerate(study.plans)
    ]
    with explained(images):
        write_study(images / str(study.study_id), study.study_id, scans, study.edge_case.corrupt)
