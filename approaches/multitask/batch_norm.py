"""A batch norm for heads whose batch may be a single example."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over (B, F) that uses its running statistics, and leaves them, where the batch is one example.

    A batch of one has no variance. It occurs where a fold has one study, or one with a head's image.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) to (B, F)."""
        if self.training and len(features) == 1:
            return F.batch_norm(features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(features)
