"""What a job has behind it: whether it is fitted, and what fitting and predicting cost.

``fitted.json`` is written when the checkpoint and its checksums are on the disk, so it vouches for them; it counts only
while every file of the checkpoint is as it was written. `Spent` tells what stands in it and in ``predicted.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.errors import DataError
from bench.files.atomic import DamagedError, read_json, write_json
from bench.files.checksums import check_manifest
from bench.files.replaced import REPLACED, set_aside
from bench.jobs.clock import Clock, Spent
from bench.jobs.context import JobContext
from bench.jobs.folder import JobFolder
from bench.jobs.history import NOTES
from bench.jobs.stages import in_words


def is_fitted(context: JobContext, files: JobFolder) -> bool:
    """Whether a killed attempt had finished fitting; its charges then count as made.

    A checkpoint, ``fitted.json`` or notes that do not hold are set aside and told of, and the job is fitted anew.
    """
    if not files.fitted.exists():
        return False
    spent = _spent(files.fitted)
    wrong = [spent] if isinstance(spent, str) else check_manifest(files.checkpoint)
    if isinstance(spent, Spent) and spent.notes is not None and not context.notes.begins_as(*spent.notes):
        wrong.append(f"{NOTES} lacks notes that were made")
        start_over(context, files)
    if isinstance(spent, Spent) and not wrong:
        context.charged.update(spent.charged)
        return True
    for path in (files.fitted, files.checkpoint):  # in this order: without fitted.json no checkpoint counts
        if path.exists():
            set_aside(path)
    tell(context, f"the fitted approach cannot be used: {in_words(wrong)}; it is kept in {files.path / REPLACED}")
    return False


def keep_notes(context: JobContext, files: JobFolder) -> None:
    """Keep notes through kills from now on. Where those of a killed attempt are damaged, its work is begun anew."""
    try:
        context.keep_notes()
    except DamagedError as error:
        tell(context, f"{error} It is kept in {files.path / REPLACED}")
        start_over(context, files)


def start_over(context: JobContext, files: JobFolder) -> None:
    """Set aside what training left to go on from, its notes among it, and what was fitted."""
    for path in (files.fitted, files.checkpoint, files.resume):
        if path.exists():
            set_aside(path)
    files.resume.mkdir()
    context.keep_notes()


@contextmanager
def spending(context: JobContext, path: Path) -> Iterator[None]:
    """Measure a part of the job, resumes included, and write what it cost into ``path`` when it is over.

    What was charged before (shared work that both fitting and predicting use) is not charged again.
    """
    before = set(context.charged)
    clock = context.clock = Clock(context.resume / f"{path.stem}_seconds.json")
    try:
        yield
    finally:
        context.clock = None
    new = {folder: charge for folder, charge in context.charged.items() if folder not in before}
    context.require_lock()
    context.notes.sync()
    spent = Spent.of(clock.seconds(), new, context.notes.mark()).model_dump(mode="json")
    write_json(path, {**spent, "sha256": _sha256(spent)})


def read_spent(path: Path) -> Spent:
    """What stands in ``fitted.json`` or ``predicted.json``. Raises DataError if it is gone or damaged."""
    spent = _spent(path)
    if isinstance(spent, str):
        raise DataError(f"{path.parent} lost its record of seconds meanwhile ({spent}). Run the same command again.")
    return spent


def tell(context: JobContext, reason: str) -> None:
    """Say on the event stream what is made anew, and why."""
    context.emit("stale", reason=reason)


def _spent(path: Path) -> Spent | str:
    try:
        document = read_json(path)
        if isinstance(document, dict) and document.pop("sha256", None) != _sha256(document):
            return f"{path.name} has changed (its sha256 differs)"
        return Spent.model_validate(document)
    except DamagedError:
        return f"{path.name} is damaged"
    except ValidationError:
        return f"{path.name} has the wrong shape"


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
