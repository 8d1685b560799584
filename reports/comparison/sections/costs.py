"""What approaches cost: times, memory, size, score against cost, training and learning curves."""

from __future__ import annotations

from collections.abc import Sequence

from bench.comparison.analysis import Analysis
from bench.comparison.formatting import duration

from ..cells import (
    interval,
    interval_column,
    large,
    memory,
    number,
    number_text,
    seconds,
    text,
    whole,
    words_column,
)
from ..model import Column, Figure, Panel, Section, Series, Table
from .forecast import forecast_table

_H = 3600
_TIMES = (0.1, 1, 10, 60, 600, _H, 6 * _H, 24 * _H, 240 * _H)
_MORE_TIMES = (
    0.2,
    0.5,
    2,
    5,
    20,
    30,
    120,
    180,
    300,
    1200,
    1800,
    2 * _H,
    3 * _H,
    4 * _H,
    12 * _H,
    48 * _H,
    96 * _H,
    480 * _H,
)
_SEPARATE = 6  # panels of training curves that are shown unfolded


def costs(analysis: Analysis) -> Section:
    """Of every approach."""
    tables = [_table(analysis)] if analysis.costs else []
    figures = [_front(analysis)] if analysis.costs else []
    if analysis.learning_curves:
        figures.append(_learning(analysis))
        tables.append(_learning_table(analysis))
    if analysis.forecasts:
        tables.append(forecast_table(analysis.forecasts))
    figures += _training(analysis)
    notes: tuple[str, ...] = (
        "Seconds are summed over folds, mean over seeds. Work that jobs share is charged to each of them. Memory is "
        "the peak of the largest job with all its processes. A dash: the model has no networks to count, or, for "
        "multiply-adds, "
        "they were not counted because no torch module ran in predicting, or counting failed. CPU time has a dash "
        "where it "
        "was not measured.",
    )
    if len(analysis.costs) < len(analysis.comparison.approaches):
        notes = (*notes, "Costs of imported predictions are unknown: they are left out here.")
    return Section("costs", "What it costs", notes, figures=tuple(figures), tables=tuple(tables))


def _table(analysis: Analysis) -> Table:
    on_gpu = any(each.peak_gpu_memory_mb is not None for each in analysis.costs)
    columns = (
        words_column("approach"),
        Column("score"),
        words_column("Pareto front"),
        Column("fit, wall"),
        Column("fit, CPU"),
        Column("predict, wall"),
        Column("predict, CPU"),
        Column("predict per study"),
        Column("peak memory"),
        *([Column("peak GPU memory")] if on_gpu else []),
        Column("parameters"),
        Column("multiply-adds per study"),
        Column("n"),
    )
    rows = [
        (
            text(each.label, strong=each.pareto),
            number(each.score, 4),
            text("yes" if each.pareto else "no"),
            seconds(each.fit_seconds),
            seconds(each.fit_cpu_seconds or None),
            seconds(each.predict_seconds),
            seconds(each.predict_cpu_seconds or None),
            seconds(each.predict_seconds / max(each.studies, 1)),
            memory(each.peak_memory_mb),
            *([memory(each.peak_gpu_memory_mb)] if on_gpu else []),
            large(each.parameters),
            large(each.multiply_adds),
            whole(each.studies),
        )
        for each in analysis.costs
    ]
    caption = (
        "Pareto front: no complete approach is at least as good and as cheap (wall time), and better in one of the two."
    )
    if on_gpu:
        caption += (
            " GPU memory: the most that torch reserved in the largest job, since that job was last resumed; a dash: no "
            "CUDA device was used."
        )
    return Table("costs", "Costs", columns, tuple(rows), caption)


def _front(analysis: Analysis) -> Figure:
    front = sorted((each for each in analysis.costs if each.pareto), key=lambda each: each.seconds)
    series = []
    if len(front) > 1:
        at = tuple(max(each.seconds, 0.1) for each in front)
        series.append(
            Series("Pareto front", at, tuple(each.score for each in front), kind="line", colour="soft", dashed=True)
        )
    for colour, each in enumerate(analysis.costs):
        series.append(
            Series(
                each.label,
                (max(each.seconds, 0.1),),
                (each.score,),
                colour=colour,
                error="y",
                low=(each.interval[0],),
                high=(each.interval[1],),
                hollow=not each.pareto,
                text=(f"{number_text(each.score, 4)}, {duration(each.seconds)}, n = {each.studies}",),
            )
        )
    ticks = _ticks([max(each.seconds, 0.1) for each in analysis.costs])
    title = "training and prediction, wall time"
    panel = Panel("", title, "weighted log loss", tuple(series), x_log=True, x_ticks=ticks)
    return Figure(
        "cost",
        "Score against cost",
        (panel,),
        "Lower left is better; 95 % intervals. Filled: on the Pareto front. Wall times depend on the machine and "
        "on jobs that ran at the same time.",
    )


def _ticks(seconds_: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Times that people name within the range of these, more of them where there are few."""
    low, high = min(seconds_) / 1.5, max(seconds_) * 1.5
    coarse = [value for value in _TIMES if low <= value <= high]
    fine = sorted(value for value in (*_TIMES, *_MORE_TIMES) if low <= value <= high)
    chosen = coarse if len(coarse) >= 3 else fine
    return tuple((float(value), duration(value)) for value in (chosen or [seconds_[0]]))


def _learning(analysis: Analysis) -> Figure:
    series = tuple(
        Series(
            curve.name,
            tuple(point.fraction for point in curve.points),
            tuple(point.score for point in curve.points),
            kind="line",
            colour=colour,
            error="y",
            low=tuple(point.interval[0] for point in curve.points),
            high=tuple(point.interval[1] for point in curve.points),
            text=tuple(f"{number_text(point.score, 4)}, n = {point.studies}" for point in curve.points),
        )
        for colour, curve in enumerate(analysis.learning_curves)
    )
    shares = sorted({point.fraction for curve in analysis.learning_curves for point in curve.points})
    ticks = tuple((share, f"{share:.4g}") for share in shares)
    panel = Panel("", "share of the training studies", "weighted log loss", series, x_ticks=ticks)
    return Figure(
        "learning",
        "Learning curves",
        (panel,),
        "Score by train fraction with 95 % intervals, on the same held-out studies.",
    )


def _learning_table(analysis: Analysis) -> Table:
    columns = (
        words_column("approach"),
        Column("train fraction"),
        Column("score"),
        interval_column("95 % interval"),
        Column("n"),
    )
    rows = [
        (
            text(curve.name),
            number(point.fraction, 2),
            number(point.score, 4),
            interval(point.interval),
            whole(point.studies),
        )
        for curve in analysis.learning_curves
        for point in curve.points
    ]
    return Table(
        "learning", "Learning curves", columns, tuple(rows), "Fractions are compared within an approach alone."
    )


def _training(analysis: Analysis) -> list[Figure]:
    figures = []
    for number_, label in enumerate(dict.fromkeys(stage.label for stage in analysis.stages), start=1):
        panels = []
        for stage in (each for each in analysis.stages if each.label == label):
            series = []
            for colour, loss in enumerate(stage.losses):
                runs = loss.runs if len(loss.runs) > 1 else ()
                series += [Series("", *_xy(run), kind="line", colour=colour, thin=True) for run in runs]
                series.append(Series(loss.name, *_xy(loss.mean), kind="line", colour=colour))
            speed = (
                "" if stage.images_per_second is None else f", {stage.images_per_second:.0f} images per second (median)"
            )
            panels.append(Panel(f"{stage.stage}{speed}", "epoch", "loss", tuple(series)))
        stages = f"{len(panels)} stage" + ("s" if len(panels) > 1 else "")
        caption = f"Losses by epoch; thick: mean over folds and seeds, thin: single runs. {stages}."
        open_ = len(panels) <= _SEPARATE
        figures.append(Figure(f"training-{number_}", f"Training of {label}", tuple(panels), caption, open=open_))
    return figures


def _xy(curve: tuple[tuple[float, float], ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(x for x, _ in curve), tuple(float(f"{y:.5g}") for _, y in curve)
