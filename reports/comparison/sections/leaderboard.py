"""Scores: the leaderboard, its figure, the parts of the score, and what the intervals cover."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.comparison import ApproachResult, Comparison
from bench.comparison.wording import RANKS, SEVERAL_FRACTIONS, detectable_text, folds_text, grouped_notes
from bench.metric import PARTS

from ..cells import (
    NAMES,
    interval,
    interval_column,
    memory,
    nothing,
    number,
    number_text,
    seconds,
    text,
    whole,
    words_column,
)
from ..model import Cell, Column, Figure, Panel, Section, Series, Table

_IN_PROCESS = "run by `bench.run` inside a notebook or script, not in a process of its own: see the notes above"
_SHORT = {
    "spinal": "spinal",
    "foraminal": "foraminal",
    "subarticular": "subarticular",
    "any_severe_spinal": "any severe",
}
_SKILL = "(prior − score) / (prior − floor): 0 at the class prior, 1 at the noise floor"


def leaderboard(comparison: Comparison, unreadable: Sequence[str]) -> Section:
    """The first section."""
    complete = [result for result in comparison.approaches if result.complete]
    incomplete = [result for result in comparison.approaches if not result.complete]
    tables = [_table(comparison, complete, "leaderboard", "Leaderboard", references=True)]
    if incomplete:
        tables.append(_table(comparison, incomplete, "incomplete", "Incomplete approaches", references=False))
    elsewhere = {detectable_text(family) for family in comparison.families[1:]}  # with the pairs
    elsewhere |= {RANKS, SEVERAL_FRACTIONS}  # in the caption, and in the lead
    return Section(
        "leaderboard",
        "Leaderboard",
        notes=(),
        bullets=(
            *(note for note in comparison.notes if note not in elsewhere),
            *grouped_notes(comparison.approaches),
            *unreadable,
        ),
        figures=(_overview(comparison), _parts(comparison)),
        tables=tuple(tables),
    )


def _table(
    comparison: Comparison, results: Sequence[ApproachResult], key: str, title: str, *, references: bool
) -> Table:
    floor, ranked = comparison.floor is not None, comparison.ranked and references
    columns = [words_column("approach"), Column("score"), interval_column("95 % interval")]
    columns += [Column("rank", about=RANKS)] if ranked else []
    columns += [Column("lacks", "text")] if not references else []
    columns += [Column(_SHORT[part], about=NAMES[part]) for part in PARTS]
    columns += [Column("fold mean"), Column("fold SD")]
    columns += [Column("skill", about=_SKILL), interval_column("skill, 95 % interval")] if floor else []
    columns += [Column("seeds"), Column("n")]
    columns += [Column("fit"), Column("predict"), Column("peak memory")] if references else []
    marked = any(result.in_process for result in results)
    columns += [Column("in process", "text", about=_IN_PROCESS)] if marked else []
    rows = [_row(comparison, result, floor=floor, ranked=ranked, lacks=not references) for result in results]
    last = _references(comparison, ranked=ranked) if references else []
    if marked:
        rows = [(*row, text("yes" if each.in_process else "")) for row, each in zip(rows, results, strict=True)]
        last = [(*row, nothing()) for row in last]
    skill_words = " Skill is paired by study, on the studies of each row." if floor else ""
    rank_words = f" {RANKS}" if ranked else ""
    caption = (
        "Pooled out-of-fold score: weighted log loss, every study once per seed; lower is better. The metric is not a "
        f"mean over studies, so the mean of the folds differs from it.{skill_words}{rank_words} Times are summed over "
        "folds, mean over seeds."
    )
    if not references:
        caption = (
            "These lack folds: each is scored on the studies of its finished folds, and is not ranked. What they cost "
            "stands below."
        )
    return Table(key, title, tuple(columns), (*rows, *last), caption, references=len(last))


def _row(comparison: Comparison, result: ApproachResult, *, floor: bool, ranked: bool, lacks: bool) -> tuple[Cell, ...]:
    estimate, rank = result.estimate, comparison.rank(result)
    cells = [text(result.label, strong=True), number(estimate.score, 4, strong=True), interval(estimate.interval)]
    if ranked:
        cells.append(nothing() if rank is None else whole(rank))
    if lacks:
        missing = sorted(set(range(result.of_folds)) - {fold.fold for fold in result.folds})
        cells.append(text(folds_text(missing)))
    cells += [number(value) for value in estimate.parts.values()]
    cells += [number(result.fold_mean), number(result.fold_spread)]
    cells += [number(result.skill, 2), interval(result.skill_interval, 2)] if floor else []
    cells += [whole(len(result.seeds)), whole(result.studies)]
    times = (seconds(result.fit_seconds), seconds(result.predict_seconds), memory(result.peak_memory_mb))
    return (*cells, *times) if not lacks else tuple(cells)


def _references(comparison: Comparison, *, ranked: bool) -> list[tuple[Cell, ...]]:
    prior, floor = comparison.prior, comparison.floor
    blank = [nothing()] if ranked else []
    rows: list[tuple[Cell, ...]] = []
    cells = [text("class prior (no images)"), number(prior.score, 4), interval(prior.interval), *blank]
    cells += [number(value) for value in prior.parts.values()] + [nothing(), nothing()]
    cells += [number(0.0, 2), nothing()] if floor is not None else []
    rows.append((*cells, nothing(), whole(comparison.prior_studies), nothing(), nothing(), nothing()))
    if floor is not None:
        parts = floor.get("parts") or {}
        cells = [text("noise floor (true label probabilities)"), number(float(floor["score"]), 4), nothing(), *blank]
        cells += [number(parts.get(part)) for part in PARTS] + [nothing(), nothing(), number(1.0, 2), nothing()]
        rows.append((*cells, nothing(), whole(comparison.prior_studies), nothing(), nothing(), nothing()))
    return rows


def _overview(comparison: Comparison) -> Figure:
    results = comparison.approaches
    labels = tuple(result.label for result in results)
    folds = [(fold.score, result.label, fold) for result in results for fold in result.folds]
    folds = [each for each in folds if math.isfinite(each[0])]
    series = [*_rules(comparison.prior.score, None if comparison.floor is None else float(comparison.floor["score"]))]
    series += [
        Series(
            "folds",
            tuple(score for score, _, _ in folds),
            tuple(label for _, label, _ in folds),
            colour="soft",
            hollow=True,
            text=tuple(f"fold {fold.fold}: {number_text(score, 4)}, n = {fold.studies}" for score, _, fold in folds),
        ),
        Series(
            "pooled score, 95 % interval",
            tuple(result.estimate.score for result in results),
            labels,
            low=tuple(result.estimate.interval[0] for result in results),
            high=tuple(result.estimate.interval[1] for result in results),
            text=tuple(f"{number_text(result.estimate.score, 4)}, n = {result.studies}" for result in results),
        ),
    ]
    caption = (
        f"Pooled out-of-fold score with its 95 % interval, {_n(results)}; hollow points: scores of the folds. The "
        "class prior uses no images."
    )
    if comparison.floor is not None:
        caption += (
            " The noise floor is the score of the true label probabilities: no approach can be expected to beat it."
        )
    panel = Panel("", "weighted log loss", "", tuple(series), categories=labels)
    title = "Score against the class prior" if comparison.floor is None else "Score between class prior and noise floor"
    return Figure("scores", title, (panel,), caption)


def _n(results: Sequence[ApproachResult]) -> str:
    """The number of studies, or its range where approaches have different folds finished."""
    counts = sorted({result.studies for result in results})
    return f"n = {counts[0]} studies" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]} studies"


def _parts(comparison: Comparison) -> Figure:
    floors = (comparison.floor or {}).get("parts") or {}
    panels = []
    for part in PARTS:
        results = [result for result in comparison.approaches if math.isfinite(result.estimate.parts[part])]
        floor = floors.get(part)
        series = _rules(comparison.prior.parts[part], None if floor is None else float(floor))
        points = Series(
            "",
            tuple(result.estimate.parts[part] for result in results),
            tuple(result.label for result in results),
            text=tuple(number_text(result.estimate.parts[part], 4) for result in results),
        )
        categories = tuple(result.label for result in results)
        panels.append(Panel(NAMES[part], "weighted log loss", "", (*series, points), categories=categories))
    return Figure("parts", "Parts of the score", tuple(panels), "The score is the mean of these four parts.")


def _rules(prior: float, floor: float | None) -> tuple[Series, ...]:
    rules = [Series("class prior", (prior,), kind="rule", colour="prior")] if math.isfinite(prior) else []
    if floor is not None and math.isfinite(floor):
        rules.append(Series("noise floor", (floor,), kind="rule", colour="floor", dashed=True))
    return tuple(rules)
