"""Every approach trains and predicts on a device without float64, which MPS is.

No such device is needed: `WithoutFloat64` keeps on the CPU what is said to lie on MPS, and refuses what MPS refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

from bench import plugins
from bench.approach import Predictions
from bench.data.load import Opened
from bench.jobs import config as configuration
from bench.testing import make_context, open_generated

# Large networks, or settings that the preset smoke contradicts.
NOT_ON_SMOKE = ("paper-", "encoder-", "size-96", "axial-context")
_READS = {Tensor.numpy, Tensor.__array__}
# These take an operand from another device: copies, and indices that lie on the CPU.
_ACROSS = {Tensor.copy_, Tensor.__setitem__, Tensor.__getitem__, Tensor.to, Tensor.type_as, Tensor.data.__set__}  # type: ignore[attr-defined]


class WithoutFloat64(TorchFunctionMode):
    """Within this, ``mps`` is a device: the CPU's memory, where a float64 tensor is an error, as on Apple's GPUs.

    Like there, it is an error to compute with tensors of two devices, or to hand one on the device to numpy. What torch
    does inside of one of its functions is not seen, nor are other threads.
    """

    # Of all instances, since tensors outlive one in caches; a weak reference keeps its number from being used again.
    _there: ClassVar[dict[int, StorageWeakRef]] = {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function == Tensor.device.__get__:  # type: ignore[attr-defined]
            return torch.device("mps" if self._on_device(args[0]) else "cpu")
        copied = function.__name__ == "__deepcopy__"  # its other argument is a memory of all copies
        tensors = list(_tensors(args[:1] if copied else (*args, *kwargs.values())))
        there = [self._on_device(one) for one in tensors]
        if function is torch._has_compatible_shallow_copy_type:  # asked by nn.Module.to
            return there[0] == there[1]
        if function in _READS and any(there):
            raise TypeError("can't convert mps device type tensor to numpy. Use Tensor.cpu() first.")
        if function not in _ACROSS:
            away = [one.shape for one, on_device in zip(tensors, there, strict=True) if not on_device and one.ndim]
            assert not (any(there) and away), f"{function.__name__} of tensors on mps and on the cpu {away}"
        named = list(_devices(function, args, kwargs))
        goes = self._target(function, named, there)
        if named:
            args, kwargs = tuple(map(_onto_cpu, args)), {name: _onto_cpu(one) for name, one in kwargs.items()}
        result = function(*args, **kwargs)
        if function in (Tensor.cpu, Tensor.to) and goes != there[0]:
            result = result.clone() if result is args[0] else result
        if goes:
            for one in _tensors((result,)):
                self._put(one, function)
        return result

    def _target(self, function: Any, named: list[str], there: list[bool]) -> bool:
        """Whether the result lies on the device."""
        if named:
            return named[0] == "mps"
        if function is Tensor.cpu:
            return False
        if function in (Tensor.to, Tensor.type_as) and len(there) > 1:  # like another tensor
            return there[1]
        if function in _ACROSS:
            return there[0]
        return any(there)

    def _on_device(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._there

    def _put(self, tensor: Tensor, function: Any) -> None:
        if tensor.dtype == torch.float64:
            raise TypeError(f"MPS has no float64, which {function.__name__} makes, of shape {tuple(tensor.shape)}.")
        storage = tensor.untyped_storage()
        self._there.setdefault(storage._cdata, StorageWeakRef(storage))


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among a call's values and in their lists."""
    for one in values:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from _tensors(one)
        elif isinstance(one, dict):
            yield from _tensors(one.values())


def _devices(function: Any, args: Any, kwargs: Any) -> Iterator[str]:
    """The types of the devices that a call names."""
    if "device" in kwargs and kwargs["device"] is not None:
        yield torch.device(kwargs["device"]).type
    for one in args:
        if isinstance(one, torch.device) or (function is Tensor.to and isinstance(one, str)):
            yield torch.device(one).type


def _onto_cpu(value: Any) -> Any:
    named = isinstance(value, torch.device) or (isinstance(value, str) and value in ("mps", "mps:0"))
    return torch.device("cpu") if named else value


@pytest.fixture
def mps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`WithoutFloat64`; batches are read in the same thread, which is the one that it sees."""
    monkeypatch.setattr("bench.training.loop.batches_ahead", lambda device: 0)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: torch.get_rng_state())
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: torch.set_rng_state(state))
    with WithoutFloat64():
        yield


@pytest.fixture(scope="session")
def opened(session_cache: Path) -> Opened:
    return open_generated(session_cache)


def run(name: str, opened: Opened, folder: Path, *, preset: str = "smoke", ablation: str | None = None) -> Predictions:
    """Train on five studies and predict two."""
    plugin = plugins.find("approaches", name)
    kind = plugins.load_plugin(plugin)
    _, text = configuration.resolve(plugin, kind.Config, preset=preset, ablation=ablation)
    ids = opened.cohort.study_ids
    context = make_context(folder, opened.volumes, device="mps")
    model = kind(kind.Config.model_validate_json(text))
    model.fit(opened.cohort.subset(ids[:5]), context)
    return model.predict(opened.cohort.subset(ids[5:7]).hidden(), context)


@pytest.mark.parametrize("name", ["mil", "multitask", "sequence"])
def test_an_approach_needs_no_float64_on_its_device(name: str, opened: Opened, tmp_path: Path, mps: None) -> None:
    assert np.isfinite(run(name, opened, tmp_path).probabilities).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ablation"),
    [
        (name, ablation)
        for name in ("mil", "multitask", "sequence")
        for ablation in configuration.ablations(plugins.find("approaches", name))
        if not ablation.startswith(NOT_ON_SMOKE)
    ],
)
def test_nor_does_an_ablation(name: str, ablation: str, opened: Opened, tmp_path: Path, mps: None) -> None:
    assert np.isfinite(run(name, opened, tmp_path, ablation=ablation).probabilities).all()


def test_the_pretended_device_refuses_what_mps_refuses(mps: None) -> None:
    there = torch.ones(2, device="mps")
    assert (there + 1).device == torch.device("mps")
    assert there.cpu().double().device == torch.device("cpu")
    assert nn.Linear(2, 2).to("mps")(there).detach().cpu().numpy().shape == (2,)
    refused: list[Callable[[], object]] = [
        there.double,
        lambda: there.to(torch.float64),
        lambda: torch.ones(2, dtype=torch.float64).to("mps"),
        lambda: torch.zeros(2, dtype=torch.float64, device=there.device),
    ]
    for makes_float64 in refused:
        with pytest.raises(TypeError, match="MPS has no float64"):
            makes_float64()
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
        there.numpy()
    with pytest.raises(AssertionError, match="on mps and on the cpu"):
        there + torch.ones(2)
