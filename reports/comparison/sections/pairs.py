"""Pairs: differences with intervals, the significance matrix, rank stability, differences by part, level and study."""

from __future__ import annotations

import math

from bench.comparison import Comparison, FamilyResult
from bench.comparison.analysis import Analysis
from bench.comparison.wording import detectable_text, stability_text

from ..cells import (
    NAMES,
    grade_words,
    interval,
    interval_column,
    nothing,
    number,
    number_text,
    p_value,
    percent,
    probabilities,
    study,
    target_words,
    text,
    whole,
    words_column,
)
from ..model import Cell, Column, Figure, Panel, Section, Series, Table

_DRAWN = 30  # pairs in the figure


def pairs(analysis: Analysis) -> Section:
    """Says so where nothing can be compared."""
    comparison = analysis.comparison
    if not comparison.differences:
        return Section("pairs", "Pairs", ("There is no pair to compare: it takes two approaches besides the prior.",))
    families = comparison.families
    tables = [_differences(comparison)]
    for number_, family in enumerate(families, start=1):
        members = len(family.labels)
        if members > 2 and family.pairs == members * (members - 1) // 2:  # all with all: others have a row each above
            tables.append(_matrix(family, number_))
        if family.stability is not None:
            tables.append(_ranks(family, number_))
    tables += [_by(analysis), _disagreements(analysis)]
    said = [detectable_text(family) for family in families]
    said += [words for family in families if (words := stability_text(family)) is not None]
    return Section(
        "pairs",
        "Pairs",
        notes=(
            "First minus second, on the studies that both have graded: below 0 the first is better. Adjusted p-values "
            "hold for all pairs of a family together; from .05 on the data do not separate the two. Intervals and all "
            "other p-values are unadjusted.",
        ),
        bullets=tuple(said),
        figures=(
            _figure(comparison),
            *(_stability(family, i) for i, family in enumerate(families, 1) if family.stability),
        ),
        tables=tuple(tables),
    )


def _differences(comparison: Comparison) -> Table:
    columns = (
        words_column("first"),
        words_column("second"),
        Column("difference"),
        interval_column("95 % interval"),
        Column("p, adjusted"),
        Column("p, unadjusted"),
        words_column("verdict"),
        Column("n"),
        Column("detectable", about="smallest difference that one comparison of this size separates with 80 % power"),
        words_column("family"),
    )
    rows = [
        (
            text(each.first),
            text(each.second),
            number(each.paired.difference, 4, signed=True),
            interval(each.paired.interval, 4, signed=True),
            p_value(each.p_adjusted),
            p_value(each.paired.p),
            text(each.verdict, strong=each.separable),
            whole(each.studies),
            number(each.detectable, 4),
            text(each.family),
        )
        for each in comparison.differences
    ]
    caption = "Detectable: the smallest true difference that one comparison of this size separates with 80 % power."
    return Table("pairs", "Paired differences", columns, tuple(rows), caption)


def _figure(comparison: Comparison) -> Figure:
    shown = comparison.differences[:_DRAWN]
    names = tuple(f"{each.first} − {each.second}" for each in shown)
    series = [Series("", (0.0,), kind="rule", colour="soft")]
    for separable, word, colour in ((True, "separable", 0), (False, "not separable", "soft")):
        own = [(name, each) for name, each in zip(names, shown, strict=True) if each.separable is separable]
        if own:
            series.append(
                Series(
                    f"{word} (n = {max(each.studies for _, each in own)})",
                    tuple(each.paired.difference for _, each in own),
                    tuple(name for name, _ in own),
                    colour=0 if colour == 0 else "soft",
                    hollow=not separable,
                    low=tuple(each.paired.interval[0] for _, each in own),
                    high=tuple(each.paired.interval[1] for _, each in own),
                    text=tuple(f"{number_text(each.paired.difference, 4)}: {each.verdict}" for _, each in own),
                )
            )
    more = len(comparison.differences) - len(shown)
    caption = "95 % intervals, unadjusted; left of 0 the first is better." + (
        f" {more} more pairs are in the table." if more else ""
    )
    panel = Panel("", "difference in weighted log loss", "", tuple(series), categories=names)
    return Figure("differences", "Paired differences", (panel,), caption)


def _matrix(family: FamilyResult, number_: int) -> Table:
    columns = (words_column("approach"), *(Column(label) for label in family.labels))
    rows = []
    for label, values in zip(family.labels, family.p_adjusted, strict=True):
        cells = [
            nothing() if math.isnan(p) else Cell(p_value(p).text, p, strong=p < 0.05, shade=0.6 if p < 0.05 else None)
            for p in values
        ]
        rows.append((text(label, strong=True), *cells))
    caption = f"Adjusted p-values (single-step max-T), n = {family.studies}; shaded: separable."
    return Table(f"significance-{number_}", f"Significance matrix, {family.name}", columns, tuple(rows), caption)


def _ranks(family: FamilyResult, number_: int) -> Table:
    assert family.stability is not None
    places = range(1, len(family.stability.labels) + 1)
    columns = (words_column("approach"), *(Column(f"rank {place}") for place in places))
    rows = [
        (text(label, strong=True), *(Cell(percent(share).text, share, shade=share * 0.8) for share in shares))
        for label, shares in zip(family.stability.labels, family.stability.shares, strict=True)
    ]
    caption = (
        f"Share of bootstrap samples of the studies (n = {family.studies}) in which an approach has each rank by score "
        f"alone; Kendall's tau to the order on all studies: {number_text(family.stability.kendall_tau, 2)}."
    )
    return Table(f"rank-stability-{number_}", f"Rank stability, {family.name}", columns, tuple(rows), caption)


def _stability(family: FamilyResult, number_: int) -> Figure:
    assert family.stability is not None
    labels = family.stability.labels
    series = tuple(
        Series(
            f"rank {place + 1}",
            tuple(shares[place] for shares in family.stability.shares),
            labels,
            kind="bars",
            colour=place,
        )
        for place in range(len(labels))
    )
    panel = Panel("", "share of bootstrap samples", "", series, categories=labels, x_range=(0, 1))
    caption = f"How often each approach has each rank by score alone, n = {family.studies} studies."
    return Figure(f"rank-stability-{number_}", f"Rank stability, {family.name}", (panel,), caption)


def _by(analysis: Analysis) -> Table:
    columns = (
        words_column("first"),
        words_column("second"),
        words_column("by"),
        words_column("of"),
        Column("difference"),
        interval_column("95 % interval"),
        Column("p, unadjusted"),
        Column("n"),
    )
    rows = [
        (
            text(each.first),
            text(each.second),
            text(each.by),
            text(NAMES[each.name]),
            number(each.paired.difference, 4, signed=True),
            interval(each.paired.interval, 4, signed=True),
            p_value(each.paired.p),
            whole(each.studies),
        )
        for each in analysis.differences_by
    ]
    caption = (
        "Weighted log loss of the targets named, first minus second. With this many comparisons some are below .05 by "
        "chance: they say where to look, not what is better."
    )
    return Table(
        "differences-by", "Differences by part, condition and level", columns, tuple(rows), caption, open=False
    )


def _disagreements(analysis: Analysis) -> Table:
    columns = (
        words_column("first"),
        words_column("second"),
        words_column("study"),
        Column("difference"),
        words_column("target"),
        words_column("label"),
        words_column("first said"),
        words_column("second said"),
    )
    rows = [
        (
            text(each.first),
            text(each.second),
            study(each.study),
            number(each.difference, 5, signed=True),
            text(target_words(each.target)),
            text(grade_words(each.grade)),
            probabilities(each.said_first),
            probabilities(each.said_second),
        )
        for each in analysis.disagreements
    ]
    caption = (
        "The studies that add most to each difference, with the target that differs most. Probabilities of "
        "normal/mild, "
        "moderate, severe, with the weights 1, 2, 4 in them."
    )
    return Table(
        "disagreements", "Studies on which two approaches disagree most", columns, tuple(rows), caption, open=False
    )
