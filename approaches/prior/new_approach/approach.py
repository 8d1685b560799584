"""The class prior, shifted for each study by what a linear classifier sees in a crop around the usual place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench.approach import Approach, Context, Predictions
from bench.data.cohort import Cohort
from bench.metric.prior import prior_probabilities
from bench.targets import CLASS_WEIGHTS, MISSING, TARGETS

from .config import TemplateConfig
from .crops import crop, mean_places


class Template(Approach):
    """The class prior, shifted by a linear classifier per target on the pixels around the target's usual place."""

    Config = TemplateConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        # State that `fit` fills, `save` writes and `load` reads.
        self.places = torch.zeros(len(TARGETS), 3, dtype=torch.float64)
        self.log_prior = torch.zeros(len(TARGETS), 3)
        self.weights = torch.zeros(len(TARGETS), config.pixels**2, 3)

    def fit(self, train: Cohort, context: Context) -> None:
        """Learn from studies with labels (`train.grades`) and points (`train.points`)."""
        self.places = torch.from_numpy(mean_places(train))
        self.log_prior = torch.from_numpy(prior_probabilities(train.grades)).log().float()
        crops = self._crops(train, context).to(context.device)  # (N, 25, F)
        grades = torch.from_numpy(train.grades).long().to(context.device)  # (N, 25), -1: no label
        # Seeds come from the context, so that folds and seeds differ, and the same job gives the same result.
        torch.manual_seed(context.seed("weights"))
        weights = torch.zeros_like(self.weights, device=context.device, requires_grad=True)
        optimizer = torch.optim.Adam([weights], lr=self.config.learning_rate)
        for step in range(self.config.steps):
            loss = self._loss(crops, grades, weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            context.progress("classifier", epoch=step + 1, epochs=self.config.steps, losses={"loss": loss.item()})
        self.weights = weights.detach().cpu()

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        """Grade studies, which come without labels and points."""
        logits = self.log_prior + torch.einsum("ntf,tfc->ntc", self._crops(studies, context), self.weights)
        return Predictions(studies.study_ids, logits.double().softmax(dim=-1).numpy())

    def save(self, folder: Path) -> None:
        """Write what `load` needs: safetensors, JSON, CSV or npy, never a pickle."""
        state = {"places": self.places, "log_prior": self.log_prior, "weights": self.weights}
        save_file(state, str(folder / "classifier.safetensors"))

    @classmethod
    def load(cls, folder: Path, config: Any) -> Self:
        """The approach as it was when `save` was called."""
        approach = cls(config)
        state = load_file(str(folder / "classifier.safetensors"))
        approach.places, approach.log_prior, approach.weights = (
            state[name] for name in ("places", "log_prior", "weights")
        )
        return approach

    def _loss(self, crops: Tensor, grades: Tensor, weights: Tensor) -> Tensor:
        """The metric's log loss, with its class weights 1, 2 and 4, and a penalty on the weights.

        The penalty is that of a normal prior on the weights: the fewer studies, the closer to the class prior.
        """
        logits = self.log_prior.to(crops.device) + torch.einsum("ntf,tfc->ntc", crops, weights)
        loss = cross_entropy(
            logits.reshape(-1, 3),
            grades.reshape(-1),
            weight=torch.tensor(CLASS_WEIGHTS, device=crops.device),
            ignore_index=MISSING,
        )
        return loss + self.config.weight_decay * weights.square().sum() / (len(crops) * len(TARGETS))

    def _crops(self, studies: Cohort, context: Context) -> Tensor:
        """(N, 25, F) one crop per study and target, centred on 0; zeros where a study lacks the kind of series."""
        size = self.config.pixels
        crops = np.zeros((len(studies), len(TARGETS), size * size), dtype=np.float32)
        for row, study in enumerate(studies.studies):
            for column, target in enumerate(TARGETS):
                place: NDArray[np.float64] = self.places[column].numpy()
                square = crop(study, context.volumes, target.point_series, place, self.config.crop_mm, size)
                if square is not None:
                    crops[row, column] = square.reshape(-1) - 0.5
            absent = sorted({t.point_series for t in TARGETS if study.main_series(t.point_series) is None})
            for kind in absent:
                context.note(study.study_id, f"no {kind} series: graded by the class prior")  # ends in notes.csv
        return torch.from_numpy(crops)
