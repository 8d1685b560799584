from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.files.atomic import DamagedError
from bench.training.checkpoints import (
    Training,
    load_model,
    load_training,
    read_tensors,
    save_model,
    save_training,
    write_tensors,
)


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

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(BenchError, match=r"No space left on device\. The file system at .* is full\. Free some space"):
        write_tensors(path, {"a": torch.zeros(1)})
    assert float(read_tensors(path)[0]["a"]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_damaged_file_is_an_error_that_names_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(100)})
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-7] ^= 1
    renamed = whole.replace(b'"a"', b'"b"')
    for damaged in (whole[:200], b"", bytes(flipped), renamed, whole.replace(b"{}", b"[]")):
        assert damaged != whole
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match="Run the same command again"):
            read_tensors(path)
    path.unlink()
    with pytest.raises(DamagedError, match="is missing"):
        read_tensors(path)


def test_a_full_disk_is_explained_whatever_safetensors_makes_of_it(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(BenchError, match=r"x\.safetensors: File too large. .*ulimit -f"):
            write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_damaged_training_is_kept_aside_and_begins_anew(tmp_path: Path, capsys) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).backward()
    optimizer.step()
    state = Training(model, optimizer, {}, torch.amp.GradScaler("cpu", enabled=False))
    path = tmp_path / "s.safetensors"
    save_training(path, state, epoch=3, fingerprint="f")
    assert load_training(path, state, fingerprint="f") == 3
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    assert load_training(path, state, fingerprint="f") == 0
    assert "s.safetensors.damaged; this training starts anew" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["s.safetensors.damaged"]
    save_training(path, state, epoch=1, fingerprint="f")
    assert load_training(path, state, fingerprint="f") == 1


def test_models_with_shared_weights_are_kept(tmp_path: Path) -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    save_model(tmp_path / "m.safetensors", model)
    other = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    load_model(tmp_path / "m.safetensors", other)
    assert torch.equal(other[0].weight, shared.weight)
