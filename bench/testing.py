"""The contract as a test, for authors of approaches: run it on your own plug-in.

.. code-block:: python

    from pathlib import Path
    from bench.testing import check_contract

    def test_contract(tmp_path: Path) -> None:
        check_contract("my_approach", tmp_path, paths=[Path("my_approach.py")])
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import plugins
from bench.approach import Approach, Predictions
from bench.data.cohort import Cohort
from bench.data.load import Opened, open_dataset
from bench.imaging.volumes import Volumes
from bench.jobs import config as configuration
from bench.jobs import hardware
from bench.jobs.context import JobContext
from bench.jobs.folder import JobFolder
from bench.jobs.predictions import EVIDENCE_COLUMNS, PredictionError, checked, write_predictions
from bench.jobs.split import SplitFolder
from bench.targets import POINT_COLUMNS, POINT_TARGET_INDEX

SMOKE_PRESET = "smoke"
ODD_STUDIES = "phantom:odd"
SAFE_SUFFIXES = (".safetensors", ".json", ".csv", ".npy", ".skops", ".ubj", ".toml", ".txt")
TOLERANCE = 2e-3  # batches of another size may round differently


def make_context(
    folder: Path,
    volumes: Volumes,
    *,
    approach: str = "mine",
    seed: int = 0,
    threads: int = 1,
    device: str = "cpu",
    all_studies: Cohort | None = None,
) -> JobContext:
    """A context as the harness makes it, for trying an approach in a test or a notebook.

    Args:
        folder: where the job may write; made if absent.
        volumes: the pixels, from `open_phantom` or `bench.data.load.open_dataset`.
        approach: the approach's name.
        seed: base seed.
        threads: how many threads may be used.
        device: torch device.
        all_studies: every study of the data set; by default none.
    """
    files = JobFolder(folder)
    files.resume.mkdir(parents=True, exist_ok=True)
    job = f"{approach}/seed{seed}/fold0"
    return JobContext(
        device=device,
        precision="fp32",
        threads=threads,
        folder=folder,
        resume=files.resume,
        volumes=volumes,
        all_studies=Cohort(()) if all_studies is None else all_studies.hidden(),
        identity={"job": job, "data": "test", "source": "test", "seed": seed, "approach": approach, "fold": 0},
        stages=SplitFolder(folder).stages,
        shared_work=folder / "shared",
        emit=lambda *_, **__: None,
        by=approach,
    )


def open_generated(cache: Path, dataset: str = ODD_STUDIES) -> Opened:
    """A generated data set, built on first use: by default tiny studies with the habits and faults of real ones."""
    name, _, preset = dataset.partition(":")
    source = plugins.load("datasets", name)()
    jobs = hardware.cpu_count()
    folder = source.locate(preset=preset or None, data=None, cache=cache, jobs=jobs, progress=lambda *_: None)
    return open_dataset(source, folder, cache=cache, jobs=jobs, progress=lambda *_: None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one promise is kept.

    Attributes:
        promise: in words.
        error: what broke it; None if it is kept.
        seconds: how long it took to find out.
    """

    promise: str
    error: Exception | None
    seconds: float


def check_contract(
    name: str, folder: Path, *, paths: Sequence[Path] = (), cache: Path | None = None, preset: str | None = None
) -> None:
    """Train an approach on a few odd studies and hold it against every promise of `bench.approach`.

    Args:
        name: the approach's name.
        folder: an empty folder to work in.
        paths: files or folders as for ``--plugin``.
        cache: where the generated studies are kept; by default in `folder`.
        preset: by default ``smoke`` if the approach has it, else its first.

    Raises:
        AssertionError: a promise is broken; the message says which and how.
    """
    for verdict in examine(name, folder, paths=paths, cache=cache, preset=preset):
        if verdict.error is not None:
            raise verdict.error


def examine(
    name: str, folder: Path, *, paths: Sequence[Path] = (), cache: Path | None = None, preset: str | None = None
) -> Iterator[Verdict]:
    """What `check_contract` checks, one verdict per promise, as they come.

    What the others build upon comes first: after one of these is broken, nothing more is checked.

    Args:
        name, folder, paths, cache, preset: as for `check_contract`.
    """
    trial = _Trial(name, folder, tuple(paths), cache or folder / "cache", preset)
    for basis in (trial.load, trial.open, trial.fit, trial.predict):
        verdict = _verdict(basis)
        yield verdict
        if verdict.error is not None:
            return
    for promise in PROMISES:
        yield _verdict(partial(promise, trial.fitted, trial.predictions, trial.held_out, trial.context))
    yield _verdict(trial.fit_again)


def _verdict(check: Callable[[], None]) -> Verdict:
    words = (inspect.getdoc(check.func if isinstance(check, partial) else check) or "").partition("\n")[0].rstrip(".")
    started = time.monotonic()
    try:
        check()
    except Exception as error:
        return Verdict(words, error, time.monotonic() - started)
    return Verdict(words, None, time.monotonic() - started)


class _Trial:
    """One approach trained and asked on a few odd studies, step by step."""

    approach_class: type[Approach]
    config: Any
    opened: Opened
    train: Cohort
    held_out: Cohort
    fitted: Approach
    context: JobContext
    predictions: Predictions

    def __init__(self, name: str, folder: Path, paths: tuple[Path, ...], cache: Path, preset: str | None) -> None:
        self.name, self.folder, self.paths, self.cache, self.preset = name, folder, paths, cache, preset

    def load(self) -> None:
        """The module can be imported, holds one approach, and its preset is valid."""
        self.approach_class, self.config = _load(self.name, self.paths, self.preset)

    def open(self) -> None:
        """The approach can run on the 40 odd studies of `phantom:odd`."""
        self.opened = open_generated(self.cache)
        ids = self.opened.cohort.study_ids
        self.train = self.opened.cohort.subset(ids[::2])
        self.held_out = self.opened.cohort.hidden().subset(ids[1::2])
        reason = self.approach_class(self.config).skip(self.train.hidden())
        assert reason is None, f"skip says: {reason}"

    def fit(self) -> None:
        """`fit` learns from studies with labels and points, some of which are missing."""
        self.fitted, self.context = _fit(
            self.approach_class, self.config, self.train, self.opened.volumes, self.folder / "first"
        )

    def predict(self) -> None:
        """`predict` grades studies without labels and points."""
        self.predictions = self.fitted.predict(self.held_out, self.context)

    def fit_again(self) -> None:
        """The same seed gives the same predictions."""
        again, context = _fit(self.approach_class, self.config, self.train, self.opened.volumes, self.folder / "second")
        _same(self.predictions, again.predict(self.held_out, context), 0.0, "the same seed gave other predictions")


def promise_probabilities(fitted: Approach, predictions: Predictions, studies: Cohort, context: JobContext) -> None:
    """All 25 targets of every study, as probabilities."""
    try:
        checked(predictions, studies.study_ids)
    except PredictionError as error:
        raise AssertionError(str(error)) from error


def promise_repeatable(fitted: Approach, predictions: Predictions, studies: Cohort, context: JobContext) -> None:
    """`predict` changes nothing: called twice, it answers the same."""
    _same(predictions, fitted.predict(studies, context), 0.0, "predict called twice gave two answers")


def promise_independent(fitted: Approach, predictions: Predictions, studies: Cohort, context: JobContext) -> None:
    """A study's prediction does not depend on which others are predicted beside it."""
    some = studies.study_ids[:3]
    alone = checked(fitted.predict(studies.subset(some), context), some)
    whole = checked(predictions, studies.study_ids)
    difference = np.abs(alone.probabilities - whole.probabilities[:3]).max()
    assert difference <= TOLERANCE, f"predictions depend on the other studies in the batch (by {difference:.4f})"


def promise_saved(fitted: Approach, predictions: Predictions, studies: Cohort, context: JobContext) -> None:
    """What `save` writes is safe to load, and `load` brings back the same approach."""
    folder = context.folder / "saved"
    folder.mkdir()
    fitted.save(folder)
    for path in folder.rglob("*"):
        assert path.is_dir() or path.suffix in SAFE_SUFFIXES, f"save wrote {path.name}; allowed: {SAFE_SUFFIXES}"
    loaded = type(fitted).load(folder, fitted.config)
    _same(predictions, loaded.predict(studies, context), 1e-6, "save and load changed the predictions")


def promise_points(fitted: Approach, predictions: Predictions, studies: Cohort, context: JobContext) -> None:
    """Located points are of these studies, on slices that exist, at most one a target."""
    if predictions.points is None:
        return
    write_predictions(JobFolder(context.folder), predictions)
    points = predictions.points
    by_id = {study.study_id: study for study in studies.studies}
    for study_id, series_id, instance_number, condition, level in zip(
        *(points[column] for column in POINT_COLUMNS[:5]), strict=True
    ):
        assert study_id in by_id, f"a point lies in study {study_id}, which was not asked for"
        assert (condition, level) in POINT_TARGET_INDEX, f"a point is of {condition!r}, {level!r}"
        by_id[study_id].get(series_id).index_of(instance_number)
    doubled = points.duplicated(["study_id", "condition", "level"])
    assert not doubled.any(), f"{int(doubled.sum())} targets have more than one point"
    assert np.isfinite(points[["x", "y"]].to_numpy(dtype=float)).all(), "a point is not finite"


def promise_evidence(fitted: Approach, predictions: Predictions, studies: Cohort, context: JobContext) -> None:
    """Evidence names slices that exist, with weights of at least 0."""
    if predictions.evidence is None:
        return
    by_id = {study.study_id: study for study in studies.studies}
    for row, series_id, instance_number in zip(
        *(predictions.evidence[column] for column in EVIDENCE_COLUMNS[:3]), strict=True
    ):
        by_id[int(row.partition("_")[0])].get(series_id).index_of(instance_number)
    assert (predictions.evidence["weight"] >= 0).all(), "a weight of the evidence is below 0"


PROMISES: tuple[Callable[[Approach, Predictions, Cohort, JobContext], None], ...] = (
    promise_probabilities,
    promise_repeatable,
    promise_independent,
    promise_saved,
    promise_points,
    promise_evidence,
)


def _load(name: str, paths: Sequence[Path], preset: str | None) -> tuple[type[Approach], Any]:
    plugin = plugins.find("approaches", name, paths)
    approach_class = plugins.load_plugin(plugin)
    presets = configuration.presets(plugin)
    chosen = preset or (SMOKE_PRESET if SMOKE_PRESET in presets else next(iter(presets), configuration.NO_PRESET))
    _, config = configuration.resolve(plugin, approach_class.Config, preset=chosen)
    return approach_class, approach_class.Config.model_validate_json(config)


def _fit(
    approach_class: type[Approach], config: Any, train: Cohort, volumes: Volumes, folder: Path
) -> tuple[Approach, JobContext]:
    context = make_context(folder, volumes)
    approach = approach_class(config)
    approach.fit(train, context)
    return approach, context


def _same(first: Predictions, second: Predictions, tolerance: float, what: str) -> None:
    difference = np.abs(first.probabilities - second.probabilities).max()
    assert difference <= tolerance, f"{what}: probabilities differ by up to {difference:.2g}"
