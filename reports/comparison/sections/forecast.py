"""The forecast of what approaches cost, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from bench.comparison.analysis.forecasts import ForecastCost
from bench.training.forecast.devices import DEVICES, SLICES_PER_S, reading_hours

from ..cells import large, memory, seconds, text, words_column
from ..model import Column, Table


def forecast_table(costs: Sequence[ForecastCost]) -> Table:
    """Multiply-adds, parameters and memory, forecast and measured, and hours on named devices."""
    columns = (
        words_column("approach"),
        Column("training, multiply-adds"),
        Column("prediction per study, multiply-adds"),
        Column("measured"),
        Column("parameters"),
        Column("measured"),
        Column("GPU memory"),
        Column("measured"),
        Column("main memory with a GPU"),
        Column("measured"),
        Column("disk"),
        Column("measured CPU time"),
        *(Column(f"one {device.name}") for device in DEVICES),
        Column("reading, at most"),
    )
    rows = [
        (
            text(each.label),
            large(round(each.training_multiply_adds)),
            large(round(each.prediction_per_study)),
            large(each.measured_per_study),
            large(each.parameters),
            large(each.measured_parameters),
            memory(each.gpu_memory_mb),
            memory(each.measured_gpu_memory_mb),
            memory(each.memory_mb),
            memory(each.measured_memory_mb),
            memory(each.disk_mb),
            seconds(each.cpu_seconds),
            *(seconds(3600 * device.hours(each.operations)) for device in DEVICES),
            seconds(3600 * reading_hours(each.slices)),
        )
        for each in costs
    ]
    devices = ", ".join(f"{one.name} {one.peak / 1e12:g} TFLOP/s at {one.utilisation:.0%}" for one in DEVICES)
    caption = (
        "Forecast before training, as bench run --dry-run tells it, and what the jobs measured. All folds; memory and "
        "parameters of one job. Times are those of computing at a published peak and an assumed utilisation "
        f"({devices}); reading is that of one core at {SLICES_PER_S:g} slices per second from memory. Forecasts assume "
        "that every study has every series. Disk is beside the cache, with the checkpoints of a run. Measured main "
        "memory is that of the device the jobs ran on. How long this CPU would take is measured by a dry run alone."
    )
    return Table("forecast", "Forecast and measured costs", columns, tuple(rows), caption)
