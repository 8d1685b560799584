"""Networks are moved to the device where they are used, one at a time, so that an ensemble need not fit on it."""

from __future__ import annotations

import copy

import torch
from torch import nn

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
