"""Localisation: slice and millimetre errors, and what they cost."""

from __future__ import annotations

import numpy as np

from bench.comparison.analysis import Analysis

from ..cells import NAMES, interval, interval_column, number, p_value, percent, text, whole, words_column
from ..model import Column, Figure, Panel, Section, Series, Table

_SHOWN = 0.99  # share of the points that the figure shows


def localisation(analysis: Analysis) -> Section:
    """Says so where no approach located anything."""
    located = [result for result in analysis.comparison.approaches if result.localisation is not None]
    if not located:
        return Section("localisation", "Localisation", ("No approach returned points for all its jobs.",))
    tables = [_errors(analysis)]
    if analysis.location_costs:
        tables.insert(0, _cost(analysis))
    return Section("localisation", "Localisation", figures=(_figure(analysis),), tables=tuple(tables))


def _cost(analysis: Analysis) -> Table:
    columns = (
        words_column("approach"),
        Column("own points"),
        Column("annotators' points"),
        Column("cost of localisation"),
        interval_column("95 % interval"),
        Column("p, unadjusted"),
        Column("n"),
    )
    rows = [
        (
            text(each.label),
            number(each.own, 4),
            number(each.annotators, 4),
            number(each.paired.difference, 4, signed=True),
            interval(each.paired.interval, 4, signed=True),
            p_value(each.paired.p),
            whole(each.studies),
        )
        for each in analysis.location_costs
    ]
    caption = "The same models once more with the annotators' points. Never ranked."
    return Table("location-cost", "What localisation errors cost", columns, tuple(rows), caption)


def _errors(analysis: Analysis) -> Table:
    columns = (
        words_column("approach"),
        words_column("points of"),
        Column("found"),
        Column("points"),
        Column("slice exact"),
        Column("1 slice off"),
        Column("2 slices off"),
        Column("further off"),
        Column("median mm"),
        Column("95th percentile mm"),
        Column("at another level"),
        Column("on the other side"),
    )
    rows = [
        (
            text(result.label),
            text(NAMES[condition]),
            whole(points.found),
            whole(points.true),
            percent(points.exact),
            percent(points.off_by_one),
            percent(points.off_by_two),
            percent(points.further),
            number(points.median_mm, 1),
            number(points.percentile_95_mm, 1),
            whole(points.level_confusions),
            whole(points.side_swaps),
        )
        for result in analysis.comparison.approaches
        for condition, points in (result.localisation or {}).items()
    ]
    caption = (
        "Predicted points against the annotators' on the held-out studies. Slice errors are counted on the annotator's "
        "series; distances are within the plane of the annotator's slice."
    )
    return Table("localisation", "Slice and millimetre errors", columns, tuple(rows), caption)


def _figure(analysis: Analysis) -> Figure:
    panels = []
    results = [result for result in analysis.comparison.approaches if result.localisation is not None]
    for condition in results[0].localisation or {}:
        series, furthest = [], 0.1
        for colour, result in enumerate(results):
            distances = np.sort((result.localisation or {})[condition].distances_mm)
            if len(distances):
                shares = np.append(np.linspace(0, 0.98, 50), _SHOWN)
                at = np.quantile(distances, shares)
                furthest = max(furthest, float(at[-1]))
                name = f"{result.label}, n = {len(distances)}"
                series.append(
                    Series(name, tuple(np.round(at, 2).tolist()), tuple(shares.tolist()), kind="line", colour=colour)
                )
        panels.append(
            Panel(
                NAMES[condition],
                "error within the plane, mm",
                "share of points",
                tuple(series),
                x_range=(0, furthest),
                y_range=(0, 1),
            )
        )
    caption = "Share of located points within a distance of the annotator's; the furthest 1 % lie outside the panels."
    return Figure("localisation", "Errors within the plane", tuple(panels), caption)
