from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.training.checkpoints import load_model, read_tensors, save_model, write_tensors


def test_values_and_tensors_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6).reshape(2, 3), "b": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)}
    write_tensors(tmp_path / "x.safetensors", tensors, {"epoch": 3, "name": "s"})
    found, values = read_tensors(tmp_path / "x.safetensors")
    assert values == {"epoch": 3, "name": "s"}
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(1)})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.training.checkpoints.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_tensors(path, {"a": torch.zeros(1)})
    assert float(read_tensors(path)[0]["a"]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_damaged_file_is_an_error_that_names_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BenchError, match="Delete it"):
        read_tensors(path)


def test_models_with_shared_weights_are_kept(tmp_path: Path) -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    save_model(tmp_path / "m.safetensors", model)
    other = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    load_model(tmp_path / "m.safetensors", other)
    assert torch.equal(other[0].weight, shared.weight)
