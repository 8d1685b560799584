"""Where the loss comes from: by condition, level and true grade; confusion; the hardest studies."""

from __future__ import annotations

from collections.abc import Iterable

from bench.comparison.analysis import Analysis
from bench.metric import PARTS
from bench.targets import SEVERITIES

from ..cells import (
    NAMES,
    first_of,
    grade_words,
    interval,
    interval_column,
    number,
    number_text,
    study,
    target_words,
    text,
    whole,
    words_column,
)
from ..model import Cell, Column, Figure, Panel, Section, Series, Table
from .calibration import reliability_figure, reliability_table, roc_figure, roc_table, temperature_table

_DRAWN = 10  # approaches per panel
_COLOURS = (7, 1, 6)  # of the grades: teal, orange, red


def losses(analysis: Analysis) -> Section:
    """Of every approach."""
    tables = [_shares(analysis), _confusions(analysis), roc_table(analysis), reliability_table(analysis)]
    tables += [temperature_table(analysis)] if analysis.temperatures else []
    tables += [_hardest(analysis)] if analysis.hardest else []
    notes = []
    if not analysis.temperatures:
        notes.append(
            "Temperature scaling is off: with fewer than 400 studies per approach, fitting a temperature makes the "
            "score worse more often than not."
        )
    figures = [_share_figure(analysis), roc_figure(analysis), reliability_figure(analysis)]
    return Section("losses", "Where the loss comes from", tuple(notes), figures=tuple(figures), tables=tuple(tables))


def _shares(analysis: Analysis) -> Table:
    columns = (
        words_column("approach"),
        words_column("condition"),
        words_column("level"),
        words_column("true grade"),
        Column("labels"),
        Column("mean log loss"),
        interval_column("95 % interval"),
        Column("class prior"),
        Column("share of the score"),
        Column("of the prior's"),
    )
    largest = max((each.share for each in analysis.loss_shares), default=1.0) or 1.0
    rows = [
        (
            text(each.label),
            text(NAMES[each.condition]),
            text(NAMES.get(each.level, "all")),
            text(_grade(each.condition, each.grade)),
            whole(each.rows),
            number(each.loss),
            interval(each.interval),
            number(each.prior_loss),
            number(each.share, 4, shade=0.8 * each.share / largest),
            number(each.prior_share, 4),
        )
        for each in analysis.loss_shares
    ]
    caption = (
        "Mean log loss of the labels of a condition, level and true grade, without weights, and what they add to the "
        "score; the shares of an approach sum to its score. Any severe spinal: by whether a level is severe."
    )
    return Table("loss-shares", "Loss by condition, level and true grade", columns, tuple(rows), caption, open=False)


def _grade(condition: str, grade: int) -> str:
    if condition == "any_severe_spinal":
        return "severe" if grade else "none severe"
    return grade_words(grade)


def _share_figure(analysis: Analysis) -> Figure:
    every = list(dict.fromkeys(each.label for each in analysis.loss_shares))
    labels = every[:_DRAWN]
    panels = []
    for part in PARTS:
        grades = (0, 1) if part == "any_severe_spinal" else (0, 1, 2)
        series = []
        for grade in grades:
            sums = [
                sum(e.share for e in analysis.loss_shares if (e.label, e.condition, e.grade) == (label, part, grade))
                for label in labels
            ]
            name = _grade(part, grade)
            colour = _COLOURS[2 if name == "severe" else grade]
            series.append(Series(name, tuple(sums), tuple(labels), kind="bars", colour=colour))
        panels.append(Panel(NAMES[part], "share of the score", "", tuple(series), categories=tuple(labels)))
    caption = "What labels of each true grade add to the score, all levels together." + first_of(_DRAWN, len(every))
    return Figure("loss-shares", "Loss by condition and true grade", tuple(panels), caption)


def _confusions(analysis: Analysis) -> Table:
    columns = (
        words_column("approach"),
        words_column("condition"),
        words_column("true grade"),
        *(Column(f"predicted {grade.lower()}") for grade in SEVERITIES),
        Column("labels"),
        Column("correct"),
    )
    rows = []
    for each in analysis.confusions:
        for grade, counts in enumerate(each.counts):
            total = sum(counts)
            cells = [
                Cell(f"{count:.0f}", count, shade=0.8 * count / total if total else None, strong=place == grade)
                for place, count in enumerate(counts)
            ]
            share = counts[grade] / total if total else float("nan")
            rows.append(
                (
                    text(each.label),
                    text(NAMES[each.condition]),
                    text(grade_words(grade)),
                    *cells,
                    whole(round(total)),
                    number(share),
                )
            )
    caption = (
        "Predicted: the grade with the largest submitted probability. Predictions are made for the weights 1, 2, 4, so "
        "a severe grade is predicted from a fourth of the odds on. With several seeds: mean counts."
    )
    return Table(
        "confusion",
        "Confusion matrices",
        columns,
        tuple(rows),
        caption,
        open=_few(each.label for each in analysis.confusions),
    )


def _few(labels: Iterable[str]) -> bool:
    return len(set(labels)) <= 3


def _hardest(analysis: Analysis) -> Table:
    labels = tuple(analysis.hardest[0].by_approach)
    columns = (
        words_column("study"),
        Column("adds to the score"),
        Column("class prior"),
        words_column("worst target"),
        words_column("label"),
        *(Column(label) for label in labels),
    )
    rows = [
        (
            study(each.study),
            number(each.loss, 5),
            number(each.prior_loss, 5),
            text(target_words(each.worst_target)),
            text(grade_words(each.grade)),
            *(number(each.by_approach[label], 5) for label in labels),
        )
        for each in analysis.hardest
    ]
    total = sum(each.loss for each in analysis.hardest)
    caption = (
        f"What a study adds to the score, mean over {len(labels)} approach{'es' if len(labels) > 1 else ''}; these "
        f"{len(rows)} studies add {number_text(total)} together."
    )
    return Table("hardest", "Hardest studies", columns, tuple(rows), caption)
