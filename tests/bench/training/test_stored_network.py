from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.files.atomic import DamagedError
from bench.training.checkpoints import save_finished, save_model
from bench.training.stored_network import StoredNetwork


def build(channels: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels), nn.Dropout())


def test_what_is_loaded_computes_as_what_was_saved(tmp_path: Path) -> None:
    network = build().eval()
    images = torch.rand(2, 1, 8, 8)
    save_model(tmp_path / "model.safetensors", network)
    save_finished(tmp_path / "finished.safetensors", network, fingerprint="{}")
    for name in ("model", "finished"):
        loaded = StoredNetwork(tmp_path / f"{name}.safetensors", build).load("cpu")
        assert not loaded.training
        torch.testing.assert_close(loaded(images), network(images))
        assert torch.equal(loaded[0].weight, network[0].weight)
        assert loaded[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_loading_draws_no_random_number(tmp_path: Path) -> None:
    save_model(tmp_path / "model.safetensors", build())
    before = torch.get_rng_state()
    StoredNetwork(tmp_path / "model.safetensors", build).load("cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_what_is_loaded_in_inference_mode_rounds_as_what_was_trained(tmp_path: Path) -> None:
    save_model(tmp_path / "model.safetensors", build())
    with torch.inference_mode():
        loaded = StoredNetwork(tmp_path / "model.safetensors", build).load("cpu")
    assert not any(tensor.is_inference() for tensor in loaded.state_dict().values())


def test_several_are_in_memory_one_after_the_other(tmp_path: Path) -> None:
    alive: list[weakref.ref[nn.Module]] = []

    def watched() -> nn.Module:
        gc.collect()
        assert not any(one() is not None for one in alive)
        model = build()
        alive.append(weakref.ref(model))
        return model

    for number in range(4):
        save_model(tmp_path / f"{number}.safetensors", build())
    for stored in [StoredNetwork(tmp_path / f"{number}.safetensors", watched) for number in range(4)]:
        model = stored.load("cpu")
        model(torch.rand(2, 1, 8, 8))
        del model
    assert len(alive) == 4


def test_half_weights_keep_kernels_to_three_digits_and_norms_whole(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64))
    network[1].running_var.fill_(1e6)  # beyond what fp16 holds
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_model(whole, network)
    save_model(half, network, half=True)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    loaded = StoredNetwork(half, lambda: nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64))).load("cpu")
    assert loaded[0].weight.dtype == torch.float32
    torch.testing.assert_close(loaded[0].weight, network[0].weight, rtol=1e-3, atol=1e-6)
    assert torch.equal(loaded[1].running_var, network[1].running_var)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="is missing"):
        StoredNetwork(tmp_path / "model.safetensors", build).load("cpu")
