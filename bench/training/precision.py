"""Which number format and memory layout a network runs in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from bench.errors import unknown

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: str | torch.device, precision: str) -> AbstractContextManager[object]:
    """The autocast region for ``fp32`` (none), ``bf16`` or ``fp16`` on a torch device such as ``cuda:0``.

    The meta device computes nothing and knows no autocast: there the region does nothing.
    """
    if precision not in _TYPES:
        raise unknown("precision", precision, _TYPES)
    kind = torch.device(device).type
    if kind == "meta":
        return nullcontext()
    return torch.autocast(kind, dtype=_TYPES[precision], enabled=precision != "fp32")


def float32(device: str | torch.device) -> AbstractContextManager[object]:
    """A region without autocast, for what bf16 or fp16 is too coarse for: coordinates, small recurrent parts, losses.

    bf16 tells 256 steps apart between 0.5 and 1: a coordinate on 512 pixels would be rounded to 2. What comes out of an
    autocast region is still coarse: turn it into float32 (``x.float()``) before computing with it here.
    """
    kind = torch.device(device).type
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)


def loss_scaler(device: str, precision: str) -> torch.amp.GradScaler:
    """The gradient scaler that fp16 needs; for the others it does nothing."""
    return torch.amp.GradScaler(torch.device(device).type, enabled=precision == "fp16")


def settle(model: nn.Module, device: str) -> nn.Module:
    """Move a network to its device, convolution weights in channels-last order (faster on CPUs and on tensor cores)."""
    model = model.to(device)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return model
