"""Predicted grades on screen: a grid per study where there are few, else one line per study."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.console.terminal import lines
from bench.files.foreign import one_line
from bench.jobs.prediction.results import PredictedStudy, Summary
from bench.targets import LEVELS, TARGETS

GRIDS, LINES, LISTED = 3, 40, 5
_STYLES = ("green", "yellow", "bold red")
_LETTERS = ("n", "M", "S")
_WORDS = ("normal", "moderate", "severe")
_HEADS = ("spinal canal", "foramen left", "foramen right", "recess left", "recess right")


def show_grades(console: Console, summary: Summary) -> None:
    """Print the most probable grades of a prediction, and what a reader must know of it."""
    studies = summary.studies
    if len(studies) <= GRIDS:
        for study in studies:
            console.print(_grid(study))
    else:
        console.print(_lines(studies[:LINES]))
    if len(studies) > LINES:
        console.print(f"and {len(studies) - LINES:,} more studies: all are in the submission")
    lines(console, _remarks(summary))


def _grid(study: PredictedStudy) -> Table:
    name = "" if study.name in ("", str(study.study_id)) else f"  {study.name}"
    title = f"study {study.study_id}{escape(one_line(name))}" + ("" if study.series else "  (no images: class prior)")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for head in ("", *(level.upper().replace("_", "/") for level in LEVELS)):
        table.add_column(head, no_wrap=True)
    for head, start in zip(_HEADS, range(0, len(TARGETS), len(LEVELS)), strict=True):
        table.add_row(head, *(_cell(study, at) for at in range(start, start + len(LEVELS))))
    return table


def _cell(study: PredictedStudy, target: int) -> Text:
    grade = study.grades[target]
    return Text(f"{_WORDS[grade]} {study.probabilities[target]:.2f}".replace(" 0.", " ."), _STYLES[grade])


def _lines(studies: Sequence[PredictedStudy]) -> Table:
    table = Table(caption="L1/L2 to L5/S1: n normal or mild, M moderate, S severe", caption_justify="left")
    table.add_column("study", no_wrap=True)
    for head in _HEADS:
        table.add_column(head)
    table.add_column("remark")
    for study in studies:
        cells = [
            Text.assemble(*((_LETTERS[grade], _STYLES[grade]) for grade in study.grades[start : start + len(LEVELS)]))
            for start in range(0, len(TARGETS), len(LEVELS))
        ]
        remark = "no images" if not study.series else "trained on" if study.trained_on else ""
        table.add_row(str(study.study_id), *cells, remark)
    return table


def _remarks(summary: Summary) -> list[str]:
    count = len(summary.studies)
    models = "1 model" if summary.members == 1 else f"the mean of {summary.members} models"
    each = max(summary.seconds - summary.reading_seconds, 0.0) / max(count, 1)
    lines = [
        f"{count:,} {'study' if count == 1 else 'studies'} ({summary.layout}), graded by {models} in "
        f"{summary.seconds:.1f} s: {summary.reading_seconds:.1f} s of reading, then {each:.2f} s per study",
        "Grades shown are the most probable ones, the metric's class weights 1, 2, 4 divided out. Not for diagnosis.",
    ]
    blank = [study.study_id for study in summary.studies if not study.series]
    known = [study.study_id for study in summary.studies if study.trained_on]
    for which, what in (
        (blank, "without readable images, graded by the class prior"),
        (known, "that models were trained on, by their numbers"),
    ):
        if which:
            named = ", ".join(map(str, which[:LISTED])) + (" and more" if len(which) > LISTED else "")
            lines.append(f"{len(which):,} {what}: {named}")
    if summary.left_out:
        lines.append(f"{summary.left_out:,} studies of the folder are left out: the sample does not ask for them")
    if summary.ignored:
        lines.append(f"{len(summary.ignored):,} files are no MR images and are ignored, e.g. {summary.ignored[0]}")
    return lines
