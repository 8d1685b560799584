"""Predicting new studies in this process: find, read, predict with every member, average, write."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.approach import Predictions
from bench.data.new_studies import Found, NewStudy, find_studies
from bench.data.new_volumes import ReadStudies, read_studies
from bench.dataset import Progress
from bench.errors import UsageError
from bench.files.atomic import write_text
from bench.jobs.context import Emit
from bench.jobs.hardware import choose_precision
from bench.jobs.prediction.average import averaged
from bench.jobs.prediction.drawing import Drawing
from bench.jobs.prediction.member import study_digest
from bench.jobs.prediction.models import Models
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.prediction.results import SUMMARY, Collected, PredictedStudy, Summary, likely_grades
from bench.jobs.prediction.row_order import RowOrder, read_row_order

# Read, predicted and removed together: bounds the disk and memory that are needed, whatever the number of studies.
BATCH = 32
READER = "reader"


def predict(order: PredictionOrder, emit: Emit) -> None:
    """Do an order; tables, drawings and the summary lie in its work folder then.

    Raises:
        BenchError: there is nothing to predict, or a member cannot predict it.
    """
    order = order.model_copy(update={"precision": choose_precision(order.precision, order.device)})
    rows = None if order.sample is None else read_row_order(order.sample)
    models = Models(order, emit)  # imports the approach, and with it torch
    started = time.monotonic()
    found = find_studies(order.data, jobs=order.threads, progress=_progress(emit))
    studies, left_out = asked_for(found, rows, order.data)
    work = _Work(order, models, emit, len(studies), started)
    for batch in batches(studies):
        work.do(batch)
    work.collected.write(order.work, rows)
    work.drawing.finish()
    summary = Summary(
        layout=found.layout,
        members=len(order.members),
        studies=tuple(work.collected.studies),
        left_out=left_out,
        ignored=tuple(f"{fault.path} {fault.what}" for fault in found.faults),
        seconds=time.monotonic() - started,
        reading_seconds=work.reading_s,
    )
    write_text(order.work / SUMMARY, summary.model_dump_json())


def asked_for(found: Found, rows: RowOrder | None, data: Path) -> tuple[list[NewStudy], int]:
    """The studies to predict in ascending order, and how many more there are.

    A study that the sample has and the folder lacks is predicted without images.

    Raises:
        UsageError: the folder has none of the sample's studies.
    """
    if rows is None:
        return list(found.studies), 0
    known = {study.study_id: study for study in found.studies}
    if not known.keys() & set(rows.studies):
        raise UsageError(
            f"--sample asks for {len(rows.studies)} studies such as {rows.studies[0]}; {data} has none of them, but "
            f"{len(known)} such as {found.studies[0].study_id}. Leave --sample out, or name the folder that it is for."
        )
    nothing = (f"no images in {data.name}",)
    wanted = [known.get(number, NewStudy(number, "", notes=nothing)) for number in rows.studies]
    return sorted(wanted, key=lambda study: study.study_id), len(known.keys() - set(rows.studies))


def batches(studies: Sequence[NewStudy]) -> Iterator[Sequence[NewStudy]]:
    """Studies in groups of at most `BATCH`."""
    for start in range(0, len(studies), BATCH):
        yield studies[start : start + BATCH]


class _Work:
    """One prediction, batch by batch."""

    def __init__(self, order: PredictionOrder, models: Models, emit: Emit, studies: int, started: float) -> None:
        self.order = order
        self.models = models
        self.emit = emit
        self.total = studies
        self.collected = Collected()
        self.drawing = Drawing(order)
        self.reading_s = time.monotonic() - started
        self.trained_on = [frozenset(member.trained_on) for member in order.members]
        self.prior = np.mean([np.array(member.prior) for member in order.members], axis=0)  # (25, 3)

    def do(self, batch: Sequence[NewStudy]) -> None:
        """Read, predict and draw some studies; their pixels are removed at the end."""
        folder = self.order.work / "batch"
        started = time.monotonic()
        read = read_studies(batch, folder / "volumes", jobs=self.order.threads, progress=_progress(self.emit))
        self.reading_s += time.monotonic() - started
        said: dict[int, list[str]] = {}
        whole = self._predicted(read, folder, said) if read.studies else None
        for study in batch:
            own = None if whole is None else _of(whole, study.study_id)
            self._add(study, own, read, said.get(study.study_id, ()))
        if whole is not None:
            for each in read.studies:
                self.drawing.draw(each, read.volumes, whole)
        _progress(self.emit)("predicting studies", len(self.collected.studies), self.total)
        shutil.rmtree(folder)

    def _predicted(self, read: ReadStudies, folder: Path, said: dict[int, list[str]]) -> Predictions:
        """What the members say of some studies together; their notes go into ``said``."""
        members = self.models.predict(read, folder)
        whole = averaged([predictions for predictions, _ in members], read.studies)
        for study_id, text in dict.fromkeys(note for _, notes in members for note in notes):
            said.setdefault(study_id, []).append(text)
        if whole.points is not None:
            self.collected.points.append(whole.points)
        if whole.evidence is not None:
            self.collected.evidence.append(whole.evidence)
        return whole

    def _add(self, study: NewStudy, own: NDArray[np.float64] | None, read: ReadStudies, said: Sequence[str]) -> None:
        """Keep the probabilities (25, 3) and notes of one study; without images it gets the class prior."""
        members = self.order.members
        digest = study_digest(study.study_id)
        trained_on = sum(digest in known for known in self.trained_on)
        notes = [(text, READER) for text in read.notes[study.study_id]]
        notes += [(text, members[0].job.approach) for text in said]
        if own is None:
            notes.append(("no readable image: graded by the class prior of the training studies", "bench"))
        if trained_on:
            what = f"{trained_on} of {len(members)} models were trained on a study of this number"
            notes.append((f"{what}: no independent prediction if it is the same", "bench"))
        probabilities = self.prior if own is None else own
        grades, likely = likely_grades(probabilities)
        self.collected.probabilities.append(probabilities)
        self.collected.notes += [(study.study_id, text, who) for text, who in notes]
        self.collected.studies.append(
            PredictedStudy(
                study_id=study.study_id,
                name=study.name,
                series=sum(len(one.series) for one in read.studies if one.study_id == study.study_id),
                grades=tuple(grades.tolist()),
                probabilities=tuple(likely.tolist()),
                notes=len(notes),
                trained_on=trained_on,
            )
        )


def _of(whole: Predictions, study_id: int) -> NDArray[np.float64] | None:
    """(25, 3) of one study; None if it is not among them."""
    found = np.flatnonzero(whole.study_ids == study_id)
    return whole.probabilities[int(found[0])] if len(found) else None


def _progress(emit: Emit) -> Progress:
    def tell(what: str, done: int, total: int) -> None:
        emit("progress", stage=what, epoch=1, epochs=1, step=done, steps=total, losses={})

    return tell
