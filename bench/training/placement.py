"""What goes to the device: networks one at a time, so that an ensemble need not fit on it; arrays without waiting."""

from __future__ import annotations

import copy
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.training.precision import settle


def on_device(model: nn.Module, device: str) -> nn.Module:
    """A network on a device, in the memory layout of `settle`.

    The network itself if it is there already, else a copy: the network stays where it is, and the device's memory is
    free again when the copy goes out of use.
    """
    wanted = torch.device(device)
    first = next(model.parameters(), None)
    there = first is None or (first.device.type == wanted.type and wanted.index in (None, first.device.index))
    return settle(model if there else copy.deepcopy(model), device)


def to_device(values: NDArray[Any], device: str | torch.device) -> Tensor:
    """An array as a tensor on a device. On CUDA the copy goes on while the caller does: from pinned memory.

    The tensor shares the array's memory where the device is the CPU.
    """
    tensor = torch.from_numpy(values)
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
