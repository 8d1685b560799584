"""The whole contract between the suite and an approach: `Approach`, what it is handed (`Context`), what it returns.

The harness owns labels, folds, metric and clock. It calls, in a process of the job's own::

    approach = MyApproach(config)      # stores, does no work
    approach.fit(train, context)       # studies with labels and points
    approach.predict(held_out, context)  # studies without either
    approach.save(folder)

and loads the held-out labels only after `predict` has returned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import nn

    from bench.data.cohort import Cohort
    from bench.imaging.study import Study
    from bench.imaging.volumes import Volumes


class Config(BaseModel):
    """Base of every approach's configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predictions:
    """What an approach says of some studies.

    Attributes:
        study_ids: (N,) the studies.
        probabilities: (N, 25, 3) of normal/mild, moderate, severe, in the order of `bench.targets.TARGETS`; no NaN,
            each target's three sum to 1. They are scored by a log loss weighted 1/2/4, so a model trained without
            these class weights must multiply them in.
        points: located points in the format of ``train_label_coordinates.csv``, if the approach locates any.
        evidence: ``row_id, series_id, instance_number, weight``: attention weight per slice, if the approach has any.
    """

    study_ids: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    points: pd.DataFrame | None = None
    evidence: pd.DataFrame | None = None

    def __repr__(self) -> str:
        more = [
            f"{len(table)} {name}"
            for name, table in (("points", self.points), ("rows of evidence", self.evidence))
            if table is not None
        ]
        return f"Predictions({', '.join([f'{len(self.study_ids)} studies', *more])})"


@dataclass(frozen=True, slots=True)
class StudyCounts:
    """The size of one job.

    Attributes:
        train: studies that it learns from.
        graded: studies that it grades.
        sagittal_slices: of a sagittal series; the competition's median.
        series: per study; the competition's mean.
    """

    train: int
    graded: int
    sagittal_slices: int = 17
    series: float = 3.2


@dataclass(frozen=True, slots=True)
class NetworkUse:
    """Networks of one architecture, and how often one job uses them: what costs are forecast from.

    A sample is whatever ``forward`` takes several of. Where the number of samples depends on the data, give the most
    that there can be.

    Attributes:
        name: of the network.
        build: makes it; called on torch's meta device, so without pretrained weights.
        forward: (network, samples) runs a batch forward. It makes its inputs by torch functions such as `torch.zeros`
            and asks no tensor for its values: none has any.
        batch_size: samples per training batch.
        images: slices that are read per sample.
        trained: samples that pass forward and backward, over all epochs and networks.
        evaluated: samples that pass forward alone while the approach is fitted, on inner hold-outs for example.
        predicted: samples that pass forward alone in prediction.
        prediction_batch: samples per batch there.
        count: how many networks of this kind there are. All are stored.
        staged: whether they are trained in a stage that other jobs may share.
        averaged: whether a moving average of the weights is kept.
        kept_mb: memory for images that are kept while it is trained, MiB.
        kept_on_device: whether they are kept in the device's memory rather than in main memory.
        beside: names of uses whose networks are on the device with it.
        joint: whether those pass forward and backward in the same step.
        shared_mb: files of shared work, for all jobs together, MiB.
        on_disk: whether a trained one is in main memory only while it is used, rather than until the job ends.
        half_weights: whether it is stored in fp16.
        cpu_precision: what it is trained in on a CPU; None: what the job is.
    """

    name: str
    build: Callable[[], nn.Module]
    forward: Callable[[Any, int], object]
    batch_size: int
    images: float
    trained: float
    evaluated: float = 0.0
    predicted: float = 0.0
    prediction_batch: int = 1
    count: int = 1
    staged: bool = False
    averaged: bool = False
    kept_mb: float = 0.0
    kept_on_device: bool = False
    beside: tuple[str, ...] = ()
    joint: bool = False
    shared_mb: float = 0.0
    on_disk: bool = False
    half_weights: bool = False
    cpu_precision: str | None = None


# Builders are functions at module level: (train, context, config), and (studies, context, config) without labels.
BuildStage: TypeAlias = "Callable[[Cohort, Context, Any], None]"
BuildShared: TypeAlias = "Callable[[tuple[Study, ...], SharedContext, Any], None]"


class Context(Protocol):
    """What the harness offers to a job. See `bench.testing.make_context` for one to try things with.

    Attributes:
        device: a torch device string, such as ``cpu`` or ``cuda:0``.
        precision: ``fp32``, ``bf16`` or ``fp16``: what autocast should use on that device.
        threads: how many threads this job may keep busy.
        folder: a folder of the job's own; what is written there is kept.
        resume: a folder that outlives a kill and is emptied when the job (or stage) is done: put checkpoints here
            after every epoch (`bench.training.checkpoints`), and look here before starting.
        volumes: the pixels of every prepared series.
        all_studies: every study of the data set without labels and points: what `shared` is asked to build on, so that
            all folds share one result. New studies, in prediction elsewhere, are not among them.
    """

    device: str
    precision: str
    threads: int
    folder: Path
    resume: Path
    volumes: Volumes
    all_studies: Cohort

    def seed(self, purpose: str) -> int:
        """A 32-bit seed hashed from the job's seed, approach, fold and this purpose."""

    def inner_folds(self, train: Cohort, folds: int) -> Sequence[tuple[Cohort, Cohort]]:
        """Stratified (train, hold-out) pairs within the training studies, for early stopping or stacking."""

    def progress(
        self,
        stage: str,
        *,
        epoch: int,
        epochs: int,
        step: int = 0,
        steps: int = 0,
        losses: Mapping[str, float] | None = None,
        learning_rate: float | None = None,
        images_per_second: float | None = None,
    ) -> None:
        """Tell where training is. Epochs and steps count from 1; at ``step == steps`` the row goes into history.csv."""

    def note(self, study_id: int, text: str) -> None:
        """Record that something was missing in a study or had to be assumed. Ends in notes.csv."""

    def shared(self, name: str, config: BaseModel | Mapping[str, Any], studies: Cohort, build: BuildShared) -> Path:
        """A folder of label-free work on images and geometry, built once for all jobs on this data.

        The result is shared between folds, so no label may leak into it. Therefore ``build`` is a function at module
        level, called as ``build(studies, context, config)``, and all it can see is what it is handed: the bare studies
        without labels and points, a `SharedContext`, and ``config``. Nothing can be captured by mistake.

        Args:
            name: of letters, digits, ``-`` and ``_``.
            config: a pydantic model or a JSON-able mapping: all that decides the result beside data, source, studies.
            studies: which studies; labels and points in it are left out before ``build`` is called.
            build: fills ``context.folder``. After a kill it is called again and finds there what it had written: write
                files whole (`bench.files.atomic`), and either skip or overwrite those that are there.
        Returns:
            The folder, checked against its checksums. Its seconds are charged to every job that uses it, listed apart.
        """

    def stage(self, name: str, config: BaseModel | Mapping[str, Any], train: Cohort, build: BuildStage) -> Path:
        """A folder with a trained stage, built once per config, source, training studies, data, device and seed.

        Args:
            name: of letters, digits, ``-`` and ``_``.
            config: a pydantic model or a JSON-able mapping: all that decides the result beside data, source, studies.
            train: the studies to train on.
            build: a function at module level, called as ``build(train, context, config)`` with a context whose
                ``folder`` and ``resume`` are the stage's; it fills the folder.
        Returns:
            The folder, checked against its checksums. Its seconds are charged to every job that uses it.
        """


class SharedContext(Protocol):
    """What the builder of shared work is offered: nothing that depends on a fold, a seed or a job."""

    @property
    def folder(self) -> Path:
        """To be filled."""

    @property
    def volumes(self) -> Volumes:
        """The pixels of every prepared series."""

    @property
    def threads(self) -> int:
        """How many threads may be kept busy."""

    def progress(self, done: int, total: int) -> None:
        """Show how far the work is."""


class Approach(ABC):
    """One way to grade the 25 targets. The class is found by being imported into its plug-in's module."""

    Config: ClassVar[type[BaseModel]] = Config
    uses_points: ClassVar[bool] = False
    """Whether `predict` makes use of points in its cohort: then the harness calls it once more with the true ones."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def skip(self, studies: Cohort) -> str | None:
        """Why this approach cannot run on these studies (given without labels), or None if it can."""
        return None

    def forecast(self, studies: StudyCounts) -> Sequence[NetworkUse] | None:
        """Its networks and how often one job uses them, or None if that is unknown. Nothing is built or read."""
        return None

    @abstractmethod
    def fit(self, train: Cohort, context: Context) -> None:
        """Learn from studies with labels and points."""

    @abstractmethod
    def predict(self, studies: Cohort, context: Context) -> Predictions:
        """Grade studies. Labels are absent; points are too, save in the true-point pass."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `load` needs: safetensors, JSON, CSV or npy, never a pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, config: Any) -> Self:
        """The approach as it was when `save` was called."""
