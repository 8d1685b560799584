"""ROC of severe, reliability beside the band of a calibrated model, temperature scaling."""

from __future__ import annotations

import math

from bench.comparison.analysis import Analysis
from bench.targets import CONDITIONS

from ..cells import NAMES, first_of, interval, interval_column, number, number_text, p_value, text, whole, words_column
from ..model import Column, Figure, Panel, Series, Table

_CURVES = 10  # approaches per panel


def roc_figure(analysis: Analysis) -> Figure:
    """One panel per condition."""
    panels = []
    for condition in CONDITIONS:
        curves = [each for each in analysis.roc if each.condition == condition and each.true_positives][:_CURVES]
        series = [
            Series(each.label, each.false_positives, each.true_positives, kind="line", colour=colour)
            for colour, each in enumerate(curves)
        ]
        n = f", {curves[0].severe} severe of {curves[0].severe + curves[0].rest}" if curves else ", no severe label"
        panels.append(
            Panel(
                NAMES[condition] + n,
                "false positive rate",
                "true positive rate",
                tuple(series),
                x_range=(0, 1),
                y_range=(0, 1),
                diagonal=True,
            )
        )
    caption = "Severe against the rest, all levels and sides of a condition."
    caption += first_of(_CURVES, len({each.label for each in analysis.roc}))
    return Figure("roc", "ROC of severe", tuple(panels), caption)


def roc_table(analysis: Analysis) -> Table:
    """Areas with intervals."""
    columns = (
        words_column("approach"),
        words_column("condition"),
        Column("area"),
        interval_column("95 % interval"),
        Column("severe"),
        Column("rest"),
    )
    rows = [
        (
            text(each.label),
            text(NAMES[each.condition]),
            number(each.area),
            interval(each.interval),
            whole(each.severe),
            whole(each.rest),
        )
        for each in analysis.roc
    ]
    caption = (
        "Area under the ROC curve of severe, rows of a study as one cluster (Obuchowski 1997). The interval covers "
        "studies, not seeds; it is missing where fewer than two studies have a severe label."
    )
    return Table("roc", "Area under the ROC curve", columns, tuple(rows), caption, open=False)


def reliability_figure(analysis: Analysis) -> Figure:
    """One panel per condition: all approaches, with the band of the best one."""
    panels = []
    for condition in CONDITIONS:
        shown = [each for each in analysis.reliabilities if each.condition == condition and each.rows][:_CURVES]
        series = []
        if shown:
            first = shown[0]
            series.append(
                Series(
                    f"calibrated, as {first.label}",
                    first.predicted,
                    kind="band",
                    colour="soft",
                    low=first.low,
                    high=first.high,
                )
            )
        series += [
            Series(
                each.label,
                each.predicted,
                each.observed,
                kind="line",
                colour=colour,
                text=tuple(f"{number_text(100 * share, 1)} % of the weight" for share in each.weight),
            )
            for colour, each in enumerate(shown)
        ]
        n = f", {shown[0].rows} labels" if shown else ", no labels"
        panels.append(
            Panel(
                NAMES[condition] + n,
                "predicted severe probability",
                "weighted share severe",
                tuple(series),
                x_range=(0, 1),
                y_range=(0, 1),
                diagonal=True,
            )
        )
    caption = (
        "Severe probabilities against the share of severe labels, both with the weights 1, 2, 4, in ten equally wide "
        "bins. Band: where 95 % of perfectly calibrated models with the predictions of the first approach would lie."
    ) + first_of(_CURVES, len({each.label for each in analysis.reliabilities}))
    return Figure("reliability", "Reliability of severe", tuple(panels), caption)


def reliability_table(analysis: Analysis) -> Table:
    """Errors beside those of calibrated models."""
    columns = (
        words_column("approach"),
        words_column("condition"),
        Column("calibration error"),
        Column("calibrated model, mean"),
        Column("calibrated model, 95 %"),
        words_column("verdict"),
        Column("labels"),
        Column("severe"),
    )
    rows = []
    for each in analysis.reliabilities:
        verdict = "no labels"
        if not math.isnan(each.error):
            verdict = "larger than calibrated models show" if each.exceeds else "as a calibrated model may show"
        rows.append(
            (
                text(each.label),
                text(NAMES[each.condition]),
                number(each.error),
                number(each.calibrated),
                number(each.calibrated_95),
                text(verdict, strong=each.exceeds),
                whole(each.rows),
                whole(each.severe),
            )
        )
    caption = (
        "Expected calibration error of the severe probability, with the weights 1, 2, 4. With few labels even a "
        "perfectly calibrated model shows an error: its mean and its 95th percentile, for a model with these "
        "predictions, are beside it."
    )
    return Table("calibration", "Calibration error", columns, tuple(rows), caption)


def temperature_table(analysis: Analysis) -> Table:
    """What temperature scaling would change."""
    columns = (
        words_column("approach"),
        Column("change of the score"),
        interval_column("95 % interval"),
        Column("p, unadjusted"),
        *(Column(f"T, {NAMES[condition].lower()}") for condition in CONDITIONS),
        Column("n"),
    )
    rows = [
        (
            text(each.label),
            number(each.paired.difference, 4, signed=True),
            interval(each.paired.interval, 4, signed=True),
            p_value(each.paired.p),
            *(number(each.temperatures[condition], 2) for condition in CONDITIONS),
            whole(each.studies),
        )
        for each in analysis.temperatures
    ]
    caption = (
        "Temperature per condition, fitted on the other folds only. Below 0 the score is better; T above 1: too sure."
    )
    return Table("temperature", "Temperature scaling", columns, tuple(rows), caption)
