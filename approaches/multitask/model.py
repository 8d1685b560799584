"""Keypoints and grades in one model: a first pass through the localiser, a second through the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from .classifier import Classifier
from .locator import Locator

LOCATOR, CLASSIFIER = "locator", "classifier"


class MultitaskNet(nn.Module):
    """Both tasks.

    Args:
        classifier: of the second pass.
        locator: of the first; None where localisers are trained in a stage of their own.
    """

    def __init__(self, classifier: Classifier, locator: Locator | None = None) -> None:
        super().__init__()
        self.locator, self.classifier = locator, classifier

    def forward(self, images: Mapping[str, Tensor], present: Mapping[str, NDArray[np.bool_]] | None = None) -> Any:
        """With ``present`` the second pass: crops by stream to logits (B, 25, 3). Without it the first: frames by kind
        to points by kind (B, P, 2)."""
        if present is not None:
            return self.classifier(images, present)
        assert self.locator is not None, "this model has no localiser of its own"
        return self.locator(images)
