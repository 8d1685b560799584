"""An approach for tests of the harness: learns in epochs from brightness, checkpoints, and can be told to misbehave."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench import Approach, Cohort, Context, Predictions
from bench.approach import Config, SharedContext
from bench.files.atomic import read_json, write_json
from bench.imaging.study import Study


class Settings(Config):
    epochs: int = 3
    seconds: float = 0.0
    misbehave: str = ""
    share_stage: bool = False
    share_work: bool = False


class Brightness(Approach):
    """Nearest mean brightness."""

    Config = Settings
    uses_points = True

    def __init__(self, config: Settings) -> None:
        super().__init__(config)
        self.means: list[float] = []

    def skip(self, studies: Cohort) -> str | None:
        return "told to skip" if self.config.misbehave == "skip" else None

    def fit(self, train: Cohort, context: Context) -> None:
        if self.config.misbehave == "raise":
            raise RuntimeError("as told")
        if self.config.misbehave == "die":
            os.kill(os.getpid(), 9)
        _leave_trace(context.folder / "seen_in_fit.json", train)
        _leave_trace(context.folder / "all_studies.json", context.all_studies)
        folder = context.folder
        if self.config.share_work:
            context.shared("sizes", {}, train, measure)
        context.note(int(train.study_ids[-1]), "noted in fit")
        keys = {"epochs": self.config.epochs, "seconds": self.config.seconds}
        if self.config.share_stage:
            folder = context.stage("means", keys, train, learn)
        else:
            learn(train, context, keys)
        self.means = json.loads((folder / "means.json").read_text())

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        if os.environ.get("BRIGHTNESS_DIES_IN_PREDICT"):
            os.kill(os.getpid(), 9)
        context.note(int(studies.study_ids[0]), "noted in predict")
        _leave_trace(context.folder / f"seen_in_predict{'' if studies.points is None else '_true'}.json", studies)
        distance = np.abs(_brightness(studies, context)[:, None] - np.array(self.means)) / 50
        one = np.exp(-distance)
        probabilities = np.repeat((one / one.sum(axis=1, keepdims=True))[:, None], 25, axis=1)
        if self.config.misbehave == "not_a_number":
            probabilities[0, 3, 1] = np.nan
        ids = studies.study_ids
        if self.config.misbehave == "forget":
            ids, probabilities = ids[1:], probabilities[1:]
        return Predictions(ids, probabilities)

    def save(self, folder: Path) -> None:
        write_json(folder / "means.json", self.means)

    @classmethod
    def load(cls, folder: Path, config: Any) -> Self:
        approach = cls(config)
        approach.means = read_json(folder / "means.json")
        return approach


def learn(train: Cohort, context: Context, config: Mapping[str, Any]) -> None:
    """Also the builder of a shared stage. What is noted in an epoch is not noted again when the epoch is not."""
    state = read_json(context.resume / "state.json") or {"epoch": 0, "sums": [0.0] * 3, "seen": []}
    brightness, grades = _brightness(train, context), train.grades[:, 0]
    for epoch in range(state["epoch"], config["epochs"]):
        rng = np.random.default_rng(context.seed(f"epoch {epoch}"))
        noise = rng.normal(0, 1, 3)
        means = [brightness[grades == g].mean() if (grades == g).any() else 0.0 for g in range(3)]
        sums = [total + float(mean + one) for total, mean, one in zip(state["sums"], means, noise, strict=True)]
        time.sleep(config["seconds"])
        context.note(int(train.study_ids[0]), f"noted in epoch {epoch + 1}")
        state = {"epoch": epoch + 1, "sums": sums, "seen": [*state["seen"], epoch]}
        write_json(context.resume / "state.json", state)
        losses = {"loss": 1 / (epoch + 1)}
        context.progress("learning", epoch=epoch + 1, epochs=config["epochs"], step=1, steps=1, losses=losses)
    context.note(int(train.study_ids[0]), "first study")
    write_json(context.folder / "means.json", [total / config["epochs"] for total in state["sums"]])


def measure(studies: tuple[Study, ...], context: SharedContext, config: Mapping[str, Any]) -> None:
    """The builder of shared work: it sees studies and pixels alone."""
    sizes = {study.study_id: context.volumes.array(study.series[0].series_id).size for study in studies}
    write_json(context.folder / "sizes.json", sizes)


def _brightness(cohort: Cohort, context: Context) -> np.ndarray:
    return np.array([context.volumes.array(study.series[0].series_id).mean() for study in cohort.studies])


def _leave_trace(path: Path, cohort: Cohort) -> None:
    labels = None if cohort.labels is None else sorted(int(study_id) for study_id in cohort.labels.index)
    points = None if cohort.points is None else sorted({int(study_id) for study_id in cohort.points["study_id"]})
    trace = {"studies": cohort.study_ids.tolist(), "labels": labels, "points": points}
    if not path.exists():  # later calls see less: the harness counts operations on one study
        path.write_text(json.dumps(trace))
