"""The two stages behind the suite's contract."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from bench.approach import Approach, Context, NetworkUse, Predictions, StudyCounts
from bench.data.cohort import Cohort
from bench.data.keypoints import read_keypoints
from bench.errors import BenchError
from bench.files.atomic import DamagedError
from bench.targets import SERIES_DESCRIPTIONS
from bench.training.attention_table import attention_table
from bench.training.backbones import encoder, require_name
from bench.training.checkpoints import save_model
from bench.training.stored_network import StoredNetwork

from .config import MILConfig
from .forecast import network_uses
from .grading import grade
from .location import Locator, train_location
from .severity import condition_sets, severity_network, train_severity


class MIL(Approach):
    """Stage 1 locates canal, foramina and recesses; stage 2 grades bags of slices around them."""

    Config = MILConfig
    uses_points: ClassVar[bool] = True

    def __init__(self, config: MILConfig) -> None:
        super().__init__(config)
        self.locator: Locator | None = None
        self.networks: dict[tuple[int, tuple[str, ...]], StoredNetwork] = {}

    def skip(self, studies: Cohort) -> str | None:
        """It needs images."""
        if not any(study.of(description) for study in studies.studies for description in SERIES_DESCRIPTIONS):
            return "no study has a sagittal or axial series"
        return None

    def forecast(self, studies: StudyCounts) -> list[NetworkUse]:
        """The networks of both stages."""
        return network_uses(self.config, studies)

    def fit(self, train: Cohort, context: Context) -> None:
        """Stage 1 as a stage that other jobs may share; then stage 2 on the annotators' points."""
        self._require_backbones()
        location = self.config.location
        folder = context.stage("location", location, train, train_location)
        self.locator = Locator.load(folder, location)
        keypoints = read_keypoints(train, context.note)
        for number in range(len(self.config.severity.networks)):
            for conditions in condition_sets(self.config.severity):
                self.networks[number, conditions] = train_severity(
                    train.studies,
                    keypoints,
                    train.grades,
                    self.locator.statistics.slice_errors,
                    self.config.severity,
                    number,
                    conditions,
                    context,
                )

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        """Locate, then grade. Points that the cohort carries are used instead of located ones."""
        if self.locator is None:
            raise BenchError("mil has to be fitted or loaded before it can predict.")
        located = self.locator.locate(studies.studies, context, context.note)
        given = None if studies.points is None else read_keypoints(studies, context.note)
        keypoints = located if given is None else given.completed_by(located)
        networks = [(conditions, stored) for (_, conditions), stored in self.networks.items()]
        probabilities, attention = grade(networks, studies.studies, keypoints, self.config.severity, context)
        return Predictions(
            study_ids=studies.study_ids,
            probabilities=probabilities.astype(np.float64),
            points=located.table(studies.studies),
            evidence=attention_table(studies.studies, attention),
        )

    def save(self, folder: Path) -> None:
        """Both stages' weights."""
        if self.locator is None:
            raise BenchError("mil has to be fitted before it can be saved.")
        (folder / "location").mkdir(parents=True, exist_ok=True)
        self.locator.save(folder / "location")
        for (number, conditions), stored in self.networks.items():
            save_model(folder / _file(number, conditions), stored.load("cpu"))

    @classmethod
    def load(cls, folder: Path, config: MILConfig) -> Self:
        """What `save` wrote. Networks stay on the disk: `predict` reads each when it is its turn.

        Raises:
            DamagedError: a network's file is missing.
        """
        approach = cls(config)
        approach.locator = Locator.load(folder / "location", config.location)
        for number in range(len(config.severity.networks)):
            for conditions in condition_sets(config.severity):
                path = folder / _file(number, conditions)
                if not path.is_file():
                    raise DamagedError(f"{path} is missing: a network of stage 2. Run the same command again.", path)
                approach.networks[number, conditions] = severity_network(config.severity, number, conditions, path)
        return approach

    def _require_backbones(self) -> None:
        """Fail before any training if a network does not exist or its weights cannot be had."""
        location, severity = self.config.location, self.config.severity
        networks = (*location.all_sagittal, *location.all_axial, *severity.networks)
        for network in networks:
            require_name(network.backbone)
        for backbone, pretrained in {
            (network.backbone, network.pretrained) for network in networks if network.pretrained
        }:
            encoder(backbone, pretrained=pretrained)


def _file(number: int, conditions: tuple[str, ...]) -> str:
    return f"severity{number}-{'-'.join(conditions)}.safetensors"
