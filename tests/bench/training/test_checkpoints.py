from __future__ import annotations

import json
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.files.atomic import DamagedError
from bench.training.checkpoints import (
    Training,
    load_finished,
    load_model,
    load_training,
    read_tensors,
    save_finished,
    save_model,
    save_training,
    write_tensors,
)
from bench.training.early_stopping import Monitor, PlateauRate
from bench.training.precision import loss_scaler
from bench.training.schedule import EarlyStopping, Plateau


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


def test_a_damaged_training_is_kept_aside_and_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).backward()
    optimizer.step()
    state = Training(model, [optimizer], [torch.amp.GradScaler("cpu", enabled=False)])
    path = tmp_path / "s.safetensors"
    save_training(path, state, epoch=3, fingerprint="f")
    assert load_training(path, state, fingerprint="f") == 3
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    assert load_training(path, state, fingerprint="f") == 0
    assert "s.safetensors.damaged; this training starts anew" in caplog.text
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


def training(precision: str = "fp16", seed: int = 0) -> Training:
    """Two networks' worth of state; of the second optimizer's parameters only one has learnt."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    optimizers = [torch.optim.AdamW(model[0].parameters()), torch.optim.AdamW(model[2].parameters())]
    watchers = {"early_stopping": Monitor(EarlyStopping()), "plateau1": PlateauRate(Plateau(patience=0))}
    average = {name: torch.randn_like(tensor) for name, tensor in model.named_parameters()}
    scalers = [loss_scaler("cpu", precision) for _ in optimizers]
    return Training(model, optimizers, scalers, average, watchers=watchers)


def learnt() -> Training:
    state = training()
    for optimizer, scaler in zip(state.optimizers, state.scalers, strict=True):
        scaler.scale(state.model(torch.randn(4, 3)).square().mean()).backward()
        state.model[2].bias.grad = None
        scaler.step(optimizer)
        scaler.update(256.0 if optimizer is state.optimizers[1] else None)
    state.best.update({name: tensor + 1 for name, tensor in state.model.state_dict().items()})
    for epoch, value in enumerate((2.0, 1.0, 3.0), start=1):
        for watcher in state.watchers.values():
            watcher.update({"loss": value}, epoch)  # type: ignore[attr-defined]
    state.past.extend([{"loss": 0.1 + 0.2}, {"loss": 1 / 3, "validation.loss": 3.0}])
    return state


def test_all_of_a_training_comes_back(tmp_path: Path) -> None:
    first, second = learnt(), training(seed=1)
    save_training(tmp_path / "t.safetensors", first, epoch=2, fingerprint="{}")
    random = torch.rand(3)
    assert load_training(tmp_path / "t.safetensors", second, fingerprint="{}") == 2
    assert torch.equal(torch.rand(3), random)
    for name in ("average", "best"):
        before, after = getattr(first, name), getattr(second, name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    before, after = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    for before, after in zip(first.optimizers, second.optimizers, strict=True):
        a, b = before.state_dict()["state"], after.state_dict()["state"]
        assert a.keys() == b.keys()
        assert all(torch.equal(a[index][name], b[index][name]) for index in a for name in a[index])
    assert len(second.optimizers[1].state) == 1
    assert [scaler.get_scale() for scaler in second.scalers] == [65536.0, 256.0]
    assert {name: watcher.state() for name, watcher in second.watchers.items()} == {
        "early_stopping": {"best": 1.0, "best_epoch": 2, "stale": 1},
        "plateau1": {"best": 1.0, "best_epoch": 2, "stale": 0, "scale": 0.5},
    }
    assert second.past == first.past


@pytest.mark.parametrize(("before", "after"), [("fp32", "fp16"), ("bf16", "fp16"), ("fp16", "fp32")])
def test_a_scaler_without_state_begins_anew(tmp_path: Path, before: str, after: str) -> None:
    first, second = training(before), training(after)
    save_training(tmp_path / "t.safetensors", first, epoch=1, fingerprint="{}")
    assert load_training(tmp_path / "t.safetensors", second, fingerprint="{}") == 1
    assert [scaler.get_scale() for scaler in second.scalers] == [65536.0 if after == "fp16" else 1.0] * 2


def test_a_checkpoint_of_another_training_says_what_differs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t.safetensors"
    state = training()
    save_training(path, state, epoch=1, fingerprint=json.dumps({"precision": "bf16", "seed": 3, "schedule": {"a": 1}}))
    other = json.dumps({"precision": "fp16", "seed": 3, "schedule": {"a": 2}})
    assert load_training(path, state, fingerprint=other) == 0
    assert "what differs: precision was bf16 and is fp16; schedule." in caplog.text
    assert path.is_file()


class Network(nn.Linear):
    """A linear layer that says that it lies on a device."""

    def __init__(self, device: str) -> None:
        super().__init__(3, 1)
        self.wanted = torch.device(device)

    def parameters(self, recurse: bool = True):
        for one in super().parameters(recurse):
            yield SimpleNamespace(device=self.wanted, tensor=one)


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The states of the generators of devices that are not here; cuda:0 is the current one."""
    states = {"cuda:0": torch.tensor([0, 0]), "cuda:1": torch.tensor([1, 1]), "mps": torch.tensor([2, 2])}

    def key(device: object = "cuda") -> str:
        return "cuda:0" if str(device) == "cuda" else str(device)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device="cuda": states[key(device)].clone())
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, device="cuda": states.update({key(device): state.clone()})
    )
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: states["mps"].clone())
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: states.update({"mps": state.clone()}))
    return states


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1", "mps"])
def test_the_random_generator_of_the_network_s_device_comes_back(
    device: str, tmp_path: Path, generators: dict[str, Tensor]
) -> None:
    state = Training(Network(device), [], [])
    save_training(tmp_path / "t.safetensors", state, epoch=1, fingerprint="{}")
    save_finished(tmp_path / "f.safetensors", state.model, fingerprint="{}")
    drawn = {name: value + 10 for name, value in generators.items()}
    kept = "cuda:0" if device == "cuda" else device
    before = generators[kept]
    for restore in (
        lambda: load_training(tmp_path / "t.safetensors", state, fingerprint="{}"),
        lambda: load_finished(tmp_path / "f.safetensors", state.model, fingerprint="{}"),
    ):
        generators.update(drawn)
        assert restore()
        assert {name for name in generators if not torch.equal(generators[name], drawn[name])} == {kept}
        assert torch.equal(generators[kept], before)
