"""Checkpoints: tensors as safetensors, everything else as JSON in its header. Written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bench.files.atomic import DamagedError, written_whole

SCHEMA_VERSION = 1
_CURE = "Run the same command again: what does not match its checksums is set aside and trained anew."
Tensors = Mapping[str, Tensor]
_log = logging.getLogger(__name__)


def write_tensors(path: Path, tensors: Tensors, values: Mapping[str, Any] | None = None) -> None:
    """Write tensors and JSON-able ``values`` whole or not at all, with a checksum over all of them in the header.

    Raises:
        BenchError: the file system refuses; it says what helps.
    """
    # clone(): safetensors refuses tensors that share memory, and wants them contiguous (ours may be channels_last).
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(dict(values or {}))
    header = {"schema_version": str(SCHEMA_VERSION), "values": text, "sha256": _checksum(plain, text)}
    with written_whole(path) as temporary:
        try:
            save_file(plain, temporary, metadata=header)
        except SafetensorError as error:
            raise _system_error(error) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and values of a file that `write_tensors` wrote.

    Raises:
        DamagedError: the file is missing or is not what was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise DamagedError(f"checkpoint {path} is missing. {_CURE}", path) from error
    except SafetensorError as error:
        raise DamagedError(f"checkpoint {path} is damaged ({error}). {_CURE}", path) from error
    if header.get("schema_version") != str(SCHEMA_VERSION):
        version = header.get("schema_version")
        raise DamagedError(f"checkpoint {path} has schema version {version!r}, this is {SCHEMA_VERSION}. {_CURE}", path)
    values = header.get("values", "{}")
    if "sha256" in header and header["sha256"] != _checksum(tensors, values):  # earlier versions wrote none
        raise DamagedError(f"checkpoint {path} is damaged (its sha256 differs). {_CURE}", path)
    return tensors, json.loads(values)


def save_model(path: Path, model: nn.Module, *, half: bool = False) -> None:
    """Write a model's weights and buffers.

    ``half``: matrices and kernels in fp16, in half the space. Vectors stay as they are: norms need their range.
    """
    tensors = model.state_dict()
    if half:
        tensors = {name: _half(tensor) for name, tensor in tensors.items()}
    write_tensors(path, tensors)


def load_model(path: Path, model: nn.Module) -> None:
    """Fill a model of the same architecture with what `save_model` or `save_finished` wrote."""
    tensors, values = read_tensors(path)
    model.load_state_dict(_part(tensors, "model.") if values.get("finished") else tensors)


class Watcher(Protocol):
    """Something that looks at validation values and remembers."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs, ready for JSON."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state` was called."""


@dataclass(frozen=True, slots=True)
class Training:
    """What changes while a network learns.

    Attributes:
        model: the network.
        optimizers: one per objective; learning rates are set anew each step and are not kept.
        scalers: of the gradients, for fp16; one per optimizer.
        average: moving averages of the weights by name; empty where there are none.
        best: the best epoch's weights by name; empty until there is one.
        watchers: early stopping and plateaus, by name.
        past: losses and validation values of every epoch done.
    """

    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    scalers: Sequence[torch.amp.GradScaler]
    average: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    watchers: Mapping[str, Watcher] = field(default_factory=dict)
    past: list[dict[str, float]] = field(default_factory=list)


def save_training(path: Path, state: Training, *, epoch: int, fingerprint: str) -> None:
    """Write all that the next epoch depends on, the state of torch's random generators included."""
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for number, optimizer in enumerate(state.optimizers):
        for index, values in optimizer.state_dict()["state"].items():
            prefix = f"optimizer{number}.{index}"
            tensors |= {f"{prefix}.{name}": torch.as_tensor(value) for name, value in values.items()}
    tensors |= _random_states(_device(state.model))
    header = {
        "epoch": epoch,
        "fingerprint": fingerprint,
        "scalers": [scaler.state_dict() for scaler in state.scalers],
        "watchers": {name: watcher.state() for name, watcher in state.watchers.items()},
        "past": state.past,
    }
    write_tensors(path, tensors, header)


def load_training(path: Path, state: Training, *, fingerprint: str) -> int:
    """Go back to where `save_training` was called; returns the number of epochs done. 0 if there is no such file.

    A file of another training (its ``fingerprint``, a JSON object, differs) is not touched and counts as absent; the
    log says which part differs. A damaged one is renamed to ``*.damaged`` and named in the log; training starts anew.
    """
    if not path.is_file():
        return 0
    try:
        tensors, values = read_tensors(path)
    except DamagedError as error:
        os.replace(path, path.with_name(f"{path.name}.damaged"))
        what = str(error).removesuffix(_CURE)
        _log.warning("%sIt is kept as %s.damaged; this training starts anew.", what, path.name)
        return 0
    if values.get("fingerprint") != fingerprint:
        _log.warning("%s: training starts anew. %s", path, _difference(values.get("fingerprint", "null"), fingerprint))
        return 0
    state.model.load_state_dict(_part(tensors, "model."))
    state.average.update({name: tensor.to(state.average[name]) for name, tensor in _part(tensors, "average.").items()})
    own = state.model.state_dict()
    state.best.update({name: tensor.to(own[name].device) for name, tensor in _part(tensors, "best.").items()})
    for number, (optimizer, scaler) in enumerate(zip(state.optimizers, state.scalers, strict=True)):
        _load_optimizer(optimizer, _part(tensors, f"optimizer{number}."))
        if values["scalers"][number]:  # a scaler that does nothing has no state
            scaler.load_state_dict(values["scalers"][number])
    for name, watcher in state.watchers.items():
        watcher.restore(values["watchers"][name])
    state.past[:] = values["past"]
    _restore_random_states(tensors, _device(state.model))
    return int(values["epoch"])


def save_finished(path: Path, model: nn.Module, *, fingerprint: str) -> None:
    """Replace the checkpoint of a training that has ended by the weights with which it ended.

    An approach of many networks would otherwise keep the optimizer states of all until the last one is trained.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    write_tensors(path, tensors | _random_states(_device(model)), {"finished": True, "fingerprint": fingerprint})


def training_file(folder: Path, stage: str) -> Path:
    """Where the checkpoint of a training lies in a folder such as `Context.resume`."""
    return folder / f"{stage}.safetensors"


def forget_training(folder: Path, stage: str) -> None:
    """Remove the checkpoint of a training whose weights are saved elsewhere: they would take their place twice."""
    training_file(folder, stage).unlink(missing_ok=True)


def load_finished(path: Path, model: nn.Module, *, fingerprint: str) -> bool:
    """Fill a model with what `save_finished` wrote; False if there is none of this training, or if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads((file.metadata() or {}).get("values", "{}"))
        if not values.get("finished") or values.get("fingerprint") != fingerprint:
            return False
        tensors, _ = read_tensors(path)
    except (FileNotFoundError, SafetensorError, DamagedError, ValueError):
        return False
    model.load_state_dict(_part(tensors, "model."))
    _restore_random_states(tensors, _device(model))
    return True


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.ndim > 1 and tensor.dtype == torch.float32 else tensor


def _device(model: nn.Module) -> torch.device:
    """Where a network lies; the CPU if it has no parameters."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's global random generators of the CPU and of the device that computes."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["random.mps"] = torch.mps.get_rng_state()
    return states


def _restore_random_states(tensors: Tensors, device: torch.device) -> None:
    """Set the generators of the CPU and of the device, the latter if the checkpoint was written on one of its type."""
    torch.set_rng_state(tensors["random.cpu"])
    state = tensors.get(f"random.{device.type}")
    if device.type == "cuda" and state is not None:
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps" and state is not None:
        torch.mps.set_rng_state(state)


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Fill an optimizer with tensors named ``index.name``; parameters that have not learnt yet have none."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        states.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            # A fused step goes through memory as it lies: moments need the strides of their (channels-last) parameter.
            if value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


def _difference(found: str, wanted: str) -> str:
    """Which entries of two fingerprints differ, in words."""
    before, now = json.loads(found), json.loads(wanted)
    if not isinstance(before, dict) or not isinstance(now, dict):
        return "The checkpoint there is of another training."
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    parts = [
        f"{name} was {before[name]} and is {now[name]}" if isinstance(now.get(name), str) and name in before else name
        for name in names
    ]
    return f"The checkpoint there is of another training; what differs: {'; '.join(parts)}."


def _checksum(tensors: Tensors, values: str) -> str:
    """The sha256 of values and tensors: names, types, shapes and contents. About 1 GB per second."""
    digest = hashlib.sha256(values.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _system_error(error: SafetensorError) -> Exception:
    """The error of the operating system that safetensors hides in its text, such as ``... (os error 28)``."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def _part(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
