"""What one network costs: parameters, multiply-adds and memory, counted on tensors without contents."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bench.approach import NetworkUse

_DEVICE = "cuda"  # of tensors without contents: autocast follows the rules of a GPU, and none has to be there
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_FLOAT = 4  # bytes


@dataclass(frozen=True, slots=True)
class Profile:
    """One network.

    Attributes:
        parameters: floating-point values that are stored, buffers included.
        multiply_adds: of one sample, forward.
        training_bytes: device memory of one training step at the configured batch size: weights, gradients, AdamW's two
            moments, the moving average if there is one, activations, and twice the largest tensor for what a backward
            step needs at once.
        prediction_bytes: device memory of predicting one batch.
    """

    parameters: int
    multiply_adds: float
    training_bytes: int
    prediction_bytes: int


def profile(use: NetworkUse, precision: str) -> Profile:
    """Count what a network costs on a GPU, without one.

    Args:
        use: the network.
        precision: ``fp32``, ``bf16`` or ``fp16``: of autocast.

    The activations are those that are alive when the forward pass of a training batch ends, since backward frees them
    one by one. Memory for torch itself, cuDNN's workspaces and fragmentation is not in it, see `estimate`.
    """
    with torch.device("meta"):
        network = use.build().train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        trained = _emptied(network)
        weights = _stored(trained)
        learnt = sum(one.numel() for one in trained.parameters() if one.requires_grad)
        moments = (3 + use.averaged) * learnt * _FLOAT
        forward, flops = _run(trained, use.forward, use.batch_size, precision)
        with torch.inference_mode():
            predicted, _ = _run(trained.eval(), use.forward, use.prediction_batch, precision)
    return Profile(
        parameters=weights,
        multiply_adds=flops / 2 / use.batch_size,
        training_bytes=weights * _FLOAT + moments + forward.alive + 2 * forward.largest,
        prediction_bytes=weights * _FLOAT + predicted.peak,
    )


class Memory(TorchDispatchMode):
    """Follows which results of torch functions are alive, in bytes.

    Args:
        aside: tensors that are not counted, nor views of them.

    Attributes:
        alive: now.
        peak: the most at any time.
        largest: the largest single one.
    """

    def __init__(self, aside: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.alive = self.peak = self.largest = 0
        self._aside = [tensor.untyped_storage() for tensor in aside]
        self._sizes = {storage._cdata: 0 for storage in self._aside}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = function(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                self._add(result.untyped_storage())
        return results

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        size = storage.nbytes()
        self._sizes[key] = size
        self.alive += size
        self.peak, self.largest = max(self.peak, self.alive), max(self.largest, size)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.alive -= self._sizes.pop(key, 0)


def _run(
    network: nn.Module, forward: Callable[[Any, int], object], samples: int, precision: str
) -> tuple[Memory, float]:
    """Memory beside the weights at the end of a forward pass, and its floating-point operations."""
    memory = Memory([*network.parameters(), *network.buffers()])
    # cuDNN's fused LSTM asks for a GPU, and a transformer's fast path for values
    unfused = torch.backends.cudnn.flags(enabled=False)
    torch.backends.mha.set_fastpath_enabled(False)
    with unfused, torch.device(_DEVICE), FlopCounterMode(display=False) as counter, memory, _autocast(precision):
        outputs = forward(network, samples)
        flops = counter.get_total_flops()
    torch.backends.mha.set_fastpath_enabled(True)
    found = Memory()
    found.alive, found.peak, found.largest = memory.alive, memory.peak, memory.largest
    del outputs
    return found, flops


@contextmanager
def _autocast(precision: str) -> Iterator[None]:
    """Autocast of a GPU, which `torch.autocast` refuses where there is none."""
    if precision == "fp32":
        yield
        return
    torch.set_autocast_dtype(_DEVICE, _TYPES[precision])
    torch.set_autocast_enabled(_DEVICE, True)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        torch.set_autocast_enabled(_DEVICE, False)
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()


def _emptied(network: nn.Module) -> nn.Module:
    """The network with tensors without contents in the place of its own (from the meta device)."""
    made: dict[Tensor, Tensor] = {}

    def empty(tensor: Tensor) -> Tensor:
        if tensor not in made:
            made[tensor] = torch.empty(tensor.shape, dtype=tensor.dtype, device=_DEVICE)
        return made[tensor]

    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(empty(parameter.data), parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = empty(buffer)
        if isinstance(module, nn.RNNBase):
            module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]
    return network


def _stored(network: nn.Module) -> int:
    """Floating-point values in a network's state."""
    return sum(one.numel() for one in network.state_dict().values() if one.is_floating_point())
