"""The parts behind the suite's contract."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from bench.approach import Approach, Context, NetworkUse, Predictions, StudyCounts
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.errors import BenchError
from bench.targets import SERIES_DESCRIPTIONS
from bench.training.attention_table import attention_table
from bench.training.backbones import encoder, require_name
from bench.training.checkpoints import load_model, save_model

from .classifier import Classifier
from .config import MultitaskConfig
from .crop_reader import StudyCropReader
from .defects import crop_sources, miscropped, misread
from .files import Parts, link_stage, load_parts
from .fitting import fit_parts
from .forecast import network_uses
from .frames import Frames
from .grading import grade
from .keypoint_stage import untrained
from .localiser import Localiser
from .model import MultitaskNet

_MODEL = "multitask.safetensors"


class Multitask(Approach):
    """Selects a slice per image, finds keypoints in a first pass, grades crops around them in a second."""

    Config = MultitaskConfig
    uses_points: ClassVar[bool] = True

    def __init__(self, config: MultitaskConfig) -> None:
        super().__init__(config)
        self.parts: Parts | None = None
        self.model: MultitaskNet | None = None

    def skip(self, studies: Cohort) -> str | None:
        """It needs images."""
        if not any(study.of(description) for study in studies.studies for description in SERIES_DESCRIPTIONS):
            return "no study has a sagittal or axial series"
        return None

    def forecast(self, studies: StudyCounts) -> list[NetworkUse]:
        """Localisers, super-resolution and the classifier; selection has no network."""
        return network_uses(self.config, studies)

    def fit(self, train: Cohort, context: Context) -> None:
        """Selection, localisers and super-resolution as stages that other jobs may share; then the classifier."""
        self._require_networks()
        self.parts, self.model = fit_parts(train, context, self.config)

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        """Select, locate, grade. Points that the cohort carries are used instead of located ones."""
        parts, model = self._fitted()
        config, defects = self.config, self.config.defects
        networks = parts.locators if model.locator is None else [model.locator]
        localiser = Localiser(parts.selector, networks, parts.statistics, config.keypoints)
        located = localiser.locate(studies.studies, context, context.note)
        keypoints = located
        if studies.points is not None:
            keypoints = read_keypoints(studies, context.note).completed_by(located)
        frames = Frames(config.keypoints.frames, parts.statistics.axial, context.volumes)
        shown = misread(studies.studies, keypoints, defects)
        shown = miscropped(studies.studies, shown, defects, frames)
        reader = StudyCropReader(studies.studies, config.classifier, context, sources=crop_sources(defects))
        probabilities, weights = grade(model, reader, parts.upscaler, shown, context)
        return Predictions(
            study_ids=studies.study_ids,
            probabilities=probabilities.astype(np.float64),
            points=misread(studies.studies, located, defects).table(studies.studies),
            evidence=attention_table(studies.studies, weights),
        )

    def save(self, folder: Path) -> None:
        """The stages' files and the network."""
        parts, model = self._fitted()
        for name, source in parts.folders.items():
            link_stage(source, folder / name)
        save_model(folder / _MODEL, model)

    @classmethod
    def load(cls, folder: Path, config: MultitaskConfig) -> Self:
        """What `save` wrote, in main memory: `predict` moves each network to the device when it is its turn."""
        approach = cls(config)
        approach.parts = load_parts(folder, config)
        bare = config.classifier.model_copy(update={"pretrained": False})
        locator = untrained(config.keypoints) if config.training == "one_loop" else None
        approach.model = MultitaskNet(Classifier(bare), locator).eval()
        load_model(folder / _MODEL, approach.model)
        return approach

    def _fitted(self) -> tuple[Parts, MultitaskNet]:
        if self.parts is None or self.model is None:
            raise BenchError("multitask has to be fitted or loaded before it can predict or be saved.")
        return self.parts, self.model

    def _require_networks(self) -> None:
        """Fail before any training if a network does not exist or its weights cannot be had."""
        networks = self.config.keypoints.network, self.config.classifier
        for network in networks:
            require_name(network.backbone)
        for backbone, pretrained in {(one.backbone, one.pretrained) for one in networks if one.pretrained}:
            encoder(backbone, pretrained=pretrained)
