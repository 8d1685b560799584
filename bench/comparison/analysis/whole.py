"""Everything that a report says beyond scores and pairs, from one comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bench.comparison.analysis.blends import Blends, blends
from bench.comparison.analysis.breakdown import DifferenceBy, differences_by
from bench.comparison.analysis.calibration import Reliability, reliabilities
from bench.comparison.analysis.confusion import Confusion, confusions
from bench.comparison.analysis.costs import Cost, LearningCurve, costs, learning_curves
from bench.comparison.analysis.environment import Environment, environment
from bench.comparison.analysis.forecasts import ForecastCost, forecast_costs
from bench.comparison.analysis.history import Stage, training_history
from bench.comparison.analysis.label_errors import LabelErrors, label_errors
from bench.comparison.analysis.location_cost import LocationCost, location_costs
from bench.comparison.analysis.notes import NoteGroup, note_groups
from bench.comparison.analysis.predicted import Predicted, predicted
from bench.comparison.analysis.roc import RocCurve, roc_curves
from bench.comparison.analysis.studies import Disagreement, HardStudy, disagreements, hardest
from bench.comparison.analysis.temperature import Scaled, temperature_scaling
from bench.comparison.analysis.where_lost import LossShare, loss_shares
from bench.comparison.results import Comparison
from bench.comparison.statistics import Estimated, PairedDifference


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """One comparison and all that follows from its predictions.

    Attributes:
        comparison: scores, pairs, families.
        predicted: the labels and predictions that it was made from.
        differences_by: pairs by part, condition and level.
        disagreements: studies on which pairs differ most.
        loss_shares, confusions, roc, reliabilities, temperatures, location_costs, hardest: where the loss comes from.
        label_errors: suspected ones; None without a trained approach.
        blends: None for fewer than two approaches of a main comparison.
        costs, forecasts, learning_curves, stages: what it costs, what it was forecast to, and how training went.
        notes: on studies, alike ones together.
        environment: of the jobs.
        unreadable: files of jobs that could not be read, in words.
    """

    comparison: Comparison
    predicted: Predicted
    differences_by: tuple[DifferenceBy, ...]
    disagreements: tuple[Disagreement, ...]
    loss_shares: tuple[LossShare, ...]
    confusions: tuple[Confusion, ...]
    roc: tuple[RocCurve, ...]
    reliabilities: tuple[Reliability, ...]
    temperatures: tuple[Scaled, ...]
    location_costs: tuple[LocationCost, ...]
    hardest: tuple[HardStudy, ...]
    label_errors: LabelErrors | None
    blends: Blends | None
    costs: tuple[Cost, ...]
    forecasts: tuple[ForecastCost, ...]
    learning_curves: tuple[LearningCurve, ...]
    stages: tuple[Stage, ...]
    notes: tuple[NoteGroup, ...]
    environment: Environment
    unreadable: tuple[str, ...]


def analyse(comparison: Comparison) -> Analysis:
    """Read the predictions of a comparison again and analyse them. Raises DataError if a file is gone."""
    read = predicted(comparison)
    stages, without_history = training_history(comparison.approaches)
    notes, without_notes = note_groups(comparison.approaches)
    return Analysis(
        comparison=comparison,
        predicted=read,
        differences_by=differences_by(read),
        disagreements=disagreements(read),
        loss_shares=loss_shares(read),
        confusions=confusions(read),
        roc=roc_curves(read),
        reliabilities=reliabilities(read),
        temperatures=temperature_scaling(read),
        location_costs=location_costs(read),
        hardest=hardest(read),
        label_errors=label_errors(read),
        blends=blends(read),
        costs=costs(comparison),
        forecasts=forecast_costs(comparison),
        learning_curves=learning_curves(comparison),
        stages=stages,
        notes=notes,
        environment=environment(comparison.approaches),
        unreadable=(*without_history, *without_notes),
    )


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """The analysis without the comparison as a JSON document; numbers that do not exist are null.

    Training curves are left out: they are in the jobs' ``history.csv``.
    """
    names = [name for name in Analysis.__dataclass_fields__ if name not in ("comparison", "predicted", "stages")]
    return {name: _plain(getattr(analysis, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Estimated):
        document: dict[str, Any] = {"value": value.value, "interval": list(value.interval), "one_seed": value.one_seed}
        return _plain(document | ({"p": value.p} if isinstance(value, PairedDifference) else {}))
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
