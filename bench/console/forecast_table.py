"""The forecast of a run as a table on screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from bench.comparison.formatting import count_text, duration
from bench.console.terminal import line, lines
from bench.jobs.forecast import ApproachForecast
from bench.training.forecast.devices import DEVICES, SLICES_PER_S, reading_hours

if TYPE_CHECKING:
    from rich.console import Console

    from bench.training.forecast.estimate import Forecast

_UNKNOWN = "unknown"


def print_forecast(console: Console, forecasts: Sequence[ApproachForecast], *, beside: int = 1) -> None:
    """Print what all jobs of each approach will cost, and on what that rests; ``beside``: how many run at a time."""
    console.print(forecast_table(forecasts, beside=beside))
    for one in forecasts:
        if one.why:
            line(console, f"{one.label}: unknown, since {one.why}")
    lines(console, explanation())


def forecast_table(forecasts: Sequence[ApproachForecast], *, beside: int = 1) -> Table:
    """One column per approach: multiply-adds, memory, disk and time of all its jobs."""
    table = Table(title="forecast of all jobs, finished ones included", title_justify="left")
    table.add_column("", no_wrap=True)
    for one in forecasts:
        table.add_column(one.label, justify="right", overflow="fold")
    rows = [
        "jobs",
        "training, multiply-adds",
        "prediction, multiply-adds",
        "GPU memory per job, GiB",
        "main memory beside it, GiB",
        "main memory per job on a CPU, GiB",
        "disk beside the cache, GiB",
        "computing on this CPU",
        *(f"computing on one {device.name}" for device in DEVICES),
        "reading on one core, at most",
    ]
    columns = [_column(one, beside) for one in forecasts]
    for number, name in enumerate(rows):
        table.add_row(name, *(column[number] for column in columns))
    return table


def explanation() -> list[str]:
    """What the hours assume."""
    devices = ", ".join(
        f"{one.name} {one.peak / 1e12:g} TFLOP/s x {one.utilisation:.0%} ({one.source})" for one in DEVICES
    )
    return [
        "Time: 2 operations per multiply-add; a backward pass counts as two forward passes; one job per GPU.",
        f"GPUs: published peak x assumed utilisation: {devices}.",
        "This CPU: measured for some seconds on one core, times the cores.",
        f"Reading: {SLICES_PER_S:g} slices per second from a cache in memory; ones that an approach keeps take less, a "
        "slow disk more. On a GPU it overlaps with computing: the longer of the two counts.",
        "Counts assume that every study has every series and label. Preparing data and other models are not in them.",
    ]


def _column(one: ApproachForecast, beside: int) -> list[str]:
    found = one.one
    if found is None:
        return [str(one.jobs), *[_UNKNOWN] * (8 + len(DEVICES))]
    jobs = one.jobs
    return [
        str(jobs),
        count_text(found.training_multiply_adds * jobs),
        count_text(found.prediction_multiply_adds * jobs),
        f"{found.gpu_memory_gb:.1f}",
        f"{found.memory_gb:.1f}",
        f"{found.cpu_memory_gb:.1f}",
        f"{found.disk_gb(jobs, beside=beside):.1f}",
        _cpu_time(found, jobs, one.cpu_rate),
        *(duration(3600 * device.hours(found.operations * jobs)) for device in DEVICES),
        duration(3600 * reading_hours(found.slices * jobs)),
    ]


def _cpu_time(one: Forecast, jobs: int, rate: float | None) -> str:
    if not one.operations:
        return "0"
    return _UNKNOWN if rate is None else duration(one.operations * jobs / rate)
