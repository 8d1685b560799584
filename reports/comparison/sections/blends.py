"""Approaches together: blends and leave-one-out contributions."""

from __future__ import annotations

from bench.comparison.analysis import Analysis

from ..cells import interval, interval_column, nothing, number, p_value, text, whole, words_column
from ..model import Column, Figure, Panel, Section, Series, Table


def together(analysis: Analysis) -> Section:
    """Says so where there are fewer than two approaches to blend."""
    found = analysis.blends
    if found is None:
        return Section("blends", "Blends", ("It takes two complete approaches besides the prior to blend any.",))
    columns = (
        words_column("blend"),
        Column("score"),
        interval_column("95 % interval"),
        words_column("against"),
        Column("difference"),
        interval_column("its 95 % interval"),
        Column("p, unadjusted"),
        Column("n"),
    )
    lines = [("equal weights", found.equal, f"best single one ({found.best})", found.versus_best)]
    if found.fitted is not None and found.versus_equal is not None:
        lines.append(("weights fitted on the other folds", found.fitted, "equal weights", found.versus_equal))
    rows = tuple(
        (
            text(name, strong=True),
            number(score.value, 4),
            interval(score.interval),
            text(against),
            number(paired.difference, 4, signed=True),
            interval(paired.interval, 4, signed=True),
            p_value(paired.p),
            whole(found.studies),
        )
        for name, score, against, paired in lines
    )
    caption = (
        "The mean of the predictions of "
        + ", ".join(found.labels)
        + ". The best single one was chosen on the same studies. "
        "Equal weights are the default: on published predictions, fitted ones were no better with three models on "
        "1,975 studies, and worse on 100."
    )
    return Section(
        "blends",
        "Blends",
        figures=(_figure(analysis),),
        tables=(Table("blends", "Blends", columns, rows, caption), _contributions(analysis)),
    )


def _contributions(analysis: Analysis) -> Table:
    found = analysis.blends
    assert found is not None
    columns = (
        words_column("without"),
        Column("change of the score"),
        interval_column("95 % interval"),
        Column("p, unadjusted"),
        Column("fitted weight"),
        Column("n"),
    )
    rows = tuple(
        (
            text(each.label),
            number(each.paired.difference, 4, signed=True),
            interval(each.paired.interval, 4, signed=True),
            p_value(each.paired.p),
            nothing() if each.weight is None else number(each.weight, 2),
            whole(found.studies),
        )
        for each in found.contributions
    )
    caption = "The equal-weight blend without an approach minus the blend of all: above 0 the approach helps."
    return Table("contributions", "What each approach adds", columns, rows, caption)


def _figure(analysis: Analysis) -> Figure:
    found = analysis.blends
    assert found is not None
    names = tuple(f"without {each.label}" for each in found.contributions)
    series = (
        Series("", (0.0,), kind="rule", colour="soft"),
        Series(
            "",
            tuple(each.paired.difference for each in found.contributions),
            names,
            low=tuple(each.paired.interval[0] for each in found.contributions),
            high=tuple(each.paired.interval[1] for each in found.contributions),
        ),
    )
    panel = Panel("", "change of the blend's score", "", series, categories=names)
    caption = f"Leave-one-out contributions with 95 % intervals, n = {found.studies}; right of 0 the approach helps."
    return Figure("contributions", "What each approach adds to the blend", (panel,), caption)
