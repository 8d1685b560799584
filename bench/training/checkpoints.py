"""Checkpoints: tensors as safetensors, everything else as JSON in its header. Written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bench.errors import BenchError

SCHEMA_VERSION = 1
Tensors = Mapping[str, Tensor]


def write_tensors(path: Path, tensors: Tensors, values: Mapping[str, Any] | None = None) -> None:
    """Write tensors and JSON-able ``values`` under a temporary name, then rename it: never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    header = {"schema_version": str(SCHEMA_VERSION), "values": json.dumps(dict(values or {}))}
    # clone(): safetensors refuses tensors that share memory, and wants them contiguous (ours may be channels_last).
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        save_file(plain, temporary, metadata=header)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and values of a file that `write_tensors` wrote."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BenchError(f"checkpoint {path} is damaged ({error}). Delete it to train anew.") from error
    if header.get("schema_version") != str(SCHEMA_VERSION):
        raise BenchError(
            f"checkpoint {path} has schema version {header.get('schema_version')!r}, this is {SCHEMA_VERSION}. "
            "Delete it to train anew."
        )
    return tensors, json.loads(header["values"])


def save_model(path: Path, model: nn.Module) -> None:
    """Write a model's weights and buffers."""
    write_tensors(path, model.state_dict())


def load_model(path: Path, model: nn.Module) -> None:
    """Fill a model of the same architecture with what `save_model` wrote."""
    tensors, _ = read_tensors(path)
    model.load_state_dict(tensors)


@dataclass(frozen=True, slots=True)
class Training:
    """What changes while a network learns.

    Attributes:
        model: the network.
        optimizer: its optimizer; learning rates are set anew each step and are not kept.
        average: moving averages of its weights by name; empty where there are none.
        scaler: of the gradients, for fp16.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    scaler: torch.amp.GradScaler


def save_training(path: Path, state: Training, *, epoch: int, fingerprint: str) -> None:
    """Write all that the next epoch depends on, the state of torch's random generators included."""
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    write_tensors(path, tensors, {"epoch": epoch, "fingerprint": fingerprint, "scaler": state.scaler.state_dict()})


def load_training(path: Path, state: Training, *, fingerprint: str) -> int:
    """Go back to where `save_training` was called; returns the number of epochs done. 0 if there is no such file.

    A file of another training (its ``fingerprint`` differs) is not touched and counts as absent.
    """
    if not path.is_file():
        return 0
    tensors, values = read_tensors(path)
    if values["fingerprint"] != fingerprint:
        return 0
    state.model.load_state_dict(_part(tensors, "model."))
    state.average.update({name: tensor.to(state.average[name]) for name, tensor in _part(tensors, "average.").items()})
    states: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _part(tensors, "optimizer.").items():
        index, _, name = key.partition(".")
        states.setdefault(int(index), {})[name] = tensor
    state.optimizer.load_state_dict({"state": states, "param_groups": state.optimizer.state_dict()["param_groups"]})
    state.scaler.load_state_dict(values["scaler"])
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    return int(values["epoch"])


def _part(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
