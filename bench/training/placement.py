"""Arrays that go to the device without waiting."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(values: NDArray[Any], device: str | torch.device) -> Tensor:
    """An array as a tensor on a device. On CUDA the copy goes on while the caller does: from pinned memory.

    The tensor shares the array's memory where the device is the CPU.
    """
    tensor = torch.from_numpy(values)
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
