"""The approach behind the suite's contract."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from bench.approach import Approach, Context, NetworkUse, Predictions, StudyCounts
from bench.data.cohort import Cohort
from bench.errors import BenchError
from bench.imaging.study import Study
from bench.metric.prior import prior_probabilities
from bench.targets import AXIAL_T2, TARGETS
from bench.training.attention_table import attention_table
from bench.training.backbones import encoder, require_name
from bench.training.checkpoints import load_model, save_model

from .config import SequenceConfig
from .fitting import fit_network
from .forecast import network_uses
from .grading import grade
from .model import SequenceNet
from .prepare import prepare_studies, series_of
from .scans import ScanReader
from .slice_choice import KINDS, choose_slices

_NETWORK, _PRIOR = "network.safetensors", "prior.npy"


class ScanSequence(Approach):
    """All slices of a study as one sequence: features of each, a transformer over all, a classifier of 25 targets."""

    Config = SequenceConfig

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__(config)
        self.network: SequenceNet | None = None
        self.prior = np.full((len(TARGETS), 3), np.nan)  # (25, 3)

    def skip(self, studies: Cohort) -> str | None:
        """It needs images."""
        if not any(study.of(kind) for study in studies.studies for kind in KINDS):
            return "no study has a sagittal or axial series"
        return None

    def forecast(self, studies: StudyCounts) -> list[NetworkUse]:
        """The one network."""
        return network_uses(self.config, studies)

    def fit(self, train: Cohort, context: Context) -> None:
        """Prepare the slices, then train on them."""
        require_name(self.config.network.backbone)
        if self.config.network.pretrained:
            encoder(self.config.network.backbone, pretrained=self.config.network.pretrained)
        self.prior = prior_probabilities(train.grades)
        self._note(train, context)
        self.network = fit_network(train, self._prepared(train, context), self.config, context)
        self.network.cpu()

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        """Grade the studies; those without any series of use get the class prior."""
        if self.network is None:
            raise BenchError("sequence has to be fitted or loaded before it can predict.")
        self._note(studies, context)
        reader = ScanReader(self._prepared(studies, context), studies.studies, self.config.preparation, context.device)
        probabilities, attention = grade(self.network, reader, self.config.training, context)
        blank = [not any(study.of(kind) for kind in KINDS) for study in studies.studies]
        probabilities[np.array(blank, dtype=bool)] = self.prior
        return Predictions(
            study_ids=studies.study_ids,
            probabilities=probabilities / probabilities.sum(axis=2, keepdims=True),
            evidence=attention_table(studies.studies, attention),
        )

    def save(self, folder: Path) -> None:
        """The network's weights and the class prior."""
        if self.network is None:
            raise BenchError("sequence has to be fitted before it can be saved.")
        save_model(folder / _NETWORK, self.network)
        np.save(folder / _PRIOR, self.prior)

    @classmethod
    def load(cls, folder: Path, config: SequenceConfig) -> Self:
        """What `save` wrote, in main memory."""
        approach = cls(config)
        bare = config.network.model_copy(update={"pretrained": False})
        approach.network = SequenceNet(bare, config.preparation).eval()
        load_model(folder / _NETWORK, approach.network)
        approach.prior = np.load(folder / _PRIOR, allow_pickle=False)
        return approach

    def _prepared(self, studies: Cohort, context: Context) -> Path:
        """The folder with the prepared slices: one for all folds, if the studies are those of the data set."""
        whole = context.all_studies
        shared = whole if holds(whole, studies) else studies
        return context.shared("slices", self.config.preparation, shared, prepare_studies)

    def _note(self, studies: Cohort, context: Context) -> None:
        for study in studies.studies:
            for text in shortcomings(study, self.config):
                context.note(study.study_id, text)


def holds(whole: Cohort, studies: Cohort) -> bool:
    """Whether a cohort has these studies with these series."""
    known = {study.study_id: series_of(study) for study in whole.studies}
    return all(known.get(study.study_id) == series_of(study) for study in studies.studies)


def shortcomings(study: Study, config: SequenceConfig) -> list[str]:
    """What a study lacks for its sequence, in words."""
    missing = [kind for kind in KINDS if not study.of(kind)]
    if len(missing) == len(KINDS):
        return ["no series of any of the three types: class prior alone"]
    notes = [f"no {kind}: masked" if config.network.masked else f"no {kind}: zeros" for kind in missing]
    for kind in KINDS:
        series = study.of(kind)
        if len(series) > 1 and kind != AXIAL_T2:
            notes.append(f"{len(series)} series of {kind}: the one with most slices is used")
        count, wanted = (
            len(choose_slices(study, kind, config.preparation.scan(kind))),
            config.preparation.scan(kind).slices,
        )
        if series and count < min(wanted, 10):
            notes.append(f"only {count} slices of {kind}")
    return notes
