"""Having an order done in a process of its own, and its results put in their place once all of them are there."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import BenchError
from bench.files.atomic import explained, write_bytes
from bench.files.in_place import is_written_in_place
from bench.files.locks import Lock
from bench.jobs.events import Event, Failed
from bench.jobs.folder import PREDICTIONS
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.prediction.results import DRAWINGS, PAGE, SUMMARY, Summary, published
from bench.jobs.process import JobProcess

MODULE = "bench.jobs.prediction.worker"


def run_prediction(order: PredictionOrder, on_event: Callable[[Event], None]) -> Summary:
    """Do an order in a process of its own.

    Raises:
        BenchError: it failed; the message says why.
    """
    process = JobProcess(order.model_dump_json(), order.threads, {}, module=MODULE)
    last = None
    try:
        for event in process.events():
            on_event(event)
            last = event if event.is_last else last
    except BaseException:
        process.end()
        raise
    if last is None:
        raise BenchError(f"no prediction: {process.death(order.log)}")
    process.wait()
    if isinstance(last, Failed):
        raise BenchError(last.reason)
    return Summary.model_validate_json((order.work / SUMMARY).read_text(encoding="utf-8"))


def publish(order: PredictionOrder, out: Path, overlay: Path | None) -> dict[str, Path]:
    """Put the results of an order in their place.

    Args:
        order: what was done.
        out: the submission. The other tables go beside it, unless it is a device or a pipe.
        overlay: where drawings go.

    Returns:
        What was written, by what is in it.
    """
    alone = is_written_in_place(out)
    written = {}
    for name, (source, target) in published(order.work, out).items():
        if name == PREDICTIONS or not alone:
            write_bytes(target, source.read_bytes(), named_by_user=name == PREDICTIONS)
            written[name] = target
    if overlay is not None and order.overlay == "html":
        write_bytes(overlay, (order.work / PAGE).read_bytes(), named_by_user=True)
        written["overlay"] = overlay
    if overlay is not None and order.overlay == "png":
        with explained(overlay):
            overlay.mkdir(parents=True, exist_ok=True)
        for path in sorted((order.work / DRAWINGS).glob("*.png")):
            write_bytes(overlay / path.name, path.read_bytes())
        written["overlay"] = overlay
    return written


@contextmanager
def work_folder(cache: Path) -> Iterator[Path]:
    """An empty folder for the pixels of new studies, which leave no trace: it is removed at the end, and what a killed
    prediction left is removed at the beginning."""
    place = cache / "predict"
    with explained(place):
        place.mkdir(parents=True, exist_ok=True)
    for left in [path for path in place.iterdir() if path.is_dir()]:
        if not Lock(_lock_of(left)).is_held():
            shutil.rmtree(left, ignore_errors=True)
            _lock_of(left).unlink(missing_ok=True)
    folder = place / uuid.uuid4().hex[:12]
    with Lock(_lock_of(folder)):
        try:
            folder.mkdir()
            yield folder
        finally:
            with suppress(OSError):
                shutil.rmtree(folder)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
