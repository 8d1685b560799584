"""The forecast of every approach of a run: what one job of each costs, before any is started. Refuses nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench import plugins
from bench.approach import Approach, StudyCounts
from bench.files.atomic import DamagedError, read_json, write_json
from bench.jobs import hardware
from bench.jobs.config import canonical
from bench.jobs.result import StoredForecast

if TYPE_CHECKING:
    from bench.training.forecast.estimate import Forecast

GPU_PRECISION = "fp16"
"""What device memory is forecast for: a T4 has no bf16, which takes as much."""


@dataclass(frozen=True, slots=True)
class ApproachForecast:
    """One approach and preset at one train fraction.

    Attributes:
        label: of the approach, such as ``mil-quick``.
        jobs: how many jobs of it the run has.
        one: the forecast of one job; None if it is unknown.
        why: why it, or its time on this processor, is unknown, in words.
        cpu_rate: floating-point operations per second of training on this processor; None if it was not measured.
    """

    label: str
    jobs: int
    one: Forecast | None
    why: str = ""
    cpu_rate: float | None = None


def stored_forecast(
    approach: Approach, studies: StudyCounts, *, source: Mapping[str, Any], memory: Path
) -> StoredForecast | None:
    """The forecast that a job keeps beside what it measures; None where the approach has no network or does not tell.

    Args:
        approach: with its configuration.
        studies: of the job.
        source: all else that the networks are made from.
        memory: a folder to remember answers in: jobs of equal folds ask the same.
    Raises:
        Exception: whatever the approach's `forecast` raises.
    """
    config = approach.config.model_dump(mode="json")
    about = canonical({"source": dict(source), "config": config, "studies": [studies.train, studies.graded]})
    path = memory / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.json"
    try:
        known = read_json(path)
        if known is not None:
            return StoredForecast.model_validate(known)
    except (DamagedError, ValidationError):
        path.unlink(missing_ok=True)
    uses = approach.forecast(studies)
    if not uses:
        return None
    from bench.training.forecast.estimate import estimate

    found = StoredForecast.model_validate(estimate(uses, precision=GPU_PRECISION).document())
    write_json(path, found.model_dump(mode="json"))
    return found


def study_counts(studies: int, folds: int, fraction: float = 1.0) -> StudyCounts:
    """The studies of one job, from those of the data set."""
    graded = round(studies / folds)
    return StudyCounts(train=max(1, round((studies - graded) * fraction)), graded=graded)


def forecast_run(
    configured: Sequence[tuple[str, str, str]],
    plugin_paths: Sequence[Path],
    counts: Sequence[tuple[float, StudyCounts]],
    jobs_of_each: int,
    *,
    probe_s: float = 10.0,
) -> list[ApproachForecast]:
    """The forecasts of a run.

    Args:
        configured: name, preset and configuration of each approach.
        plugin_paths: plug-ins named by path.
        counts: each train fraction with the studies of one of its jobs.
        jobs_of_each: folds times seeds.
        probe_s: seconds in all for measuring this processor; 0: it is not measured.
    """
    found: list[ApproachForecast] = []
    for approach, preset, config in configured:
        for fraction, studies in counts:
            label = f"{approach}-{preset}" + ("" if fraction == 1 else f" train {fraction:g}")
            try:
                one, why = _forecast(approach, config, plugin_paths, studies)
            except Exception as error:  # a plug-in's own mistake must not keep a run from starting
                one, why = None, _in_words(error)
            found.append(ApproachForecast(label, jobs_of_each, one, why))
    return _with_rates(found, len(counts), probe_s) if probe_s else found


def _with_rates(found: Sequence[ApproachForecast], fractions: int, seconds: float) -> list[ApproachForecast]:
    """With the rate of this processor, measured once per approach that has networks."""
    computing = sum(bool(one.one and one.one.operations) for one in found[::fractions])
    told: list[ApproachForecast] = []
    for start in range(0, len(found), fractions):
        of_approach = found[start : start + fractions]
        first = of_approach[0].one
        if first is not None and first.operations:
            try:
                rate = _probe(first, seconds / computing)
                of_approach = [replace(each, cpu_rate=rate) for each in of_approach]
            except Exception as error:  # likewise
                of_approach = [replace(each, why=f"on this CPU: {_in_words(error)}") for each in of_approach]
        told += of_approach
    return told


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _forecast(
    approach: str, config: str, plugin_paths: Sequence[Path], studies: StudyCounts
) -> tuple[Forecast | None, str]:
    approach_class = plugins.load_plugin(plugins.find("approaches", approach, plugin_paths))
    uses = approach_class(approach_class.Config.model_validate_json(config)).forecast(studies)
    if uses is None:
        return None, "the approach does not tell its networks"
    from bench.training.forecast.estimate import estimate

    return estimate(uses, precision=GPU_PRECISION), ""


def _probe(one: Forecast, seconds: float) -> float:
    from bench.training.forecast.probe import cpu_operations_per_second

    precision = hardware.choose_precision("auto", "cpu")
    return cpu_operations_per_second(one, precision=precision, cores=hardware.cpu_count(), seconds=seconds)
