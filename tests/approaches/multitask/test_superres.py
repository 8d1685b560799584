from __future__ import annotations

import builtins
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from bench.approaches.multitask import superres
from bench.approaches.multitask.superres import PixelShuffleNet, Upscaler, resized, upscaler_from_file
from bench.approaches.multitask.superres_config import SuperresConfig, SuperresNetwork
from bench.approaches.multitask.superres_stage import PatchBatches, make_upscaler, restoration_loss, train_superres
from bench.errors import BenchError
from bench.testing import make_context
from bench.training.checkpoints import save_model

SMALL = SuperresNetwork(width=8, layers=2, patch=32)


def smooth(count: int = 8, size: int = 64) -> torch.Tensor:
    """Images with soft edges, which bicubic interpolation blurs further."""
    torch.manual_seed(0)
    coarse = (torch.rand(count, 1, size // 8, size // 8) > 0.5).float()
    return F.avg_pool2d(F.interpolate(coarse, size=(2 * size, 2 * size)), 3, stride=2, padding=1).clamp(0, 1)


def test_the_network_starts_as_bicubic_and_doubles_the_size() -> None:
    images = smooth()
    torch.testing.assert_close(PixelShuffleNet(SMALL)(images), resized(images, (128, 128)))


def test_crops_of_the_wanted_size_are_left_alone() -> None:
    images = torch.rand(2, 3, 32, 32)
    assert Upscaler()(images, (32, 32)) is images
    assert Upscaler()(images[:0], (64, 64)).shape == (0, 3, 64, 64)


@pytest.mark.parametrize("size", [48, 64, 128])
def test_channels_are_enlarged_each_on_its_own(size: int) -> None:
    torch.manual_seed(0)
    network = PixelShuffleNet(SMALL)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    for upscaler in (Upscaler(), Upscaler(network, factor=2)):
        images = torch.rand(2, 3, 32, 32)
        whole = upscaler(images, (size, size))
        assert whole.shape == (2, 3, size, size)
        assert 0 <= float(whole.min()) <= float(whole.max()) <= 1
        torch.testing.assert_close(whole[:, 1:2], upscaler(images[:, 1:2], (size, size)))


def test_an_upscaler_is_never_trained_further_but_lets_gradients_through() -> None:
    upscaler = Upscaler(PixelShuffleNet(SMALL), factor=2).train()
    assert not upscaler.training
    assert not any(one.requires_grad for one in upscaler.parameters())
    images = torch.rand(1, 3, 16, 16, requires_grad=True)
    upscaler(images, (32, 32)).sum().backward()
    assert images.grad is not None


def test_learning_beats_bicubic_on_images_of_its_kind() -> None:
    network = PixelShuffleNet(SMALL).train()
    images = smooth(32)
    plain = float(restoration_loss(network, images)["loss"].detach())
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        loss = restoration_loss(network, images)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.7 * plain


def test_patches_are_whole_pixels_of_the_slices(three, context_of) -> None:
    random = np.random.default_rng(0)
    volumes = {series_id: random.integers(0, 1000, size=(11, 100, 80)).astype(np.uint16) for series_id in (10, 20, 30)}
    batches = PatchBatches(list(three.series), SMALL, context_of(volumes), 0)
    (patches, count), *_ = batches.epoch(1)
    assert patches.shape[1:] == (1, 32, 32)
    assert count == len(patches)
    values = torch.cat([batch for batch, _ in batches.epoch(2)]) * 1000
    torch.testing.assert_close(values, values.round(), atol=1e-2, rtol=0)
    assert len(torch.unique(values[0])) > 300


def test_the_stage_sees_neither_labels_nor_points_and_its_network_is_read_back(odd, parts, tmp_path: Path) -> None:
    bare = parts[0].hidden().subset(parts[0].study_ids[:4])
    config = SuperresConfig(upscaler="trained", network=SMALL.model_copy(update={"patches_per_slice": 1}))
    context = make_context(tmp_path, odd.volumes)
    train_superres(bare, context, config.network)
    upscaler = make_upscaler(config, tmp_path)
    images = torch.rand(1, 3, 16, 16)
    assert not torch.equal(upscaler(images, (32, 32)), Upscaler()(images, (32, 32)))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an architecture that spandrel knows: a small SRVGG that doubles the size."""
    spandrel = pytest.importorskip("spandrel.architectures.Compact", reason="the extra `superres` is not installed")
    torch.manual_seed(0)
    network = spandrel.Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    path = tmp_path_factory.mktemp("weights") / "compact.safetensors"
    save_file(network.state_dict(), path)
    torch.save({"params": network.state_dict()}, path.with_suffix(".pth"))
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_a_known_architecture_enlarge_grey_crops(known: Path, suffix: str) -> None:
    upscaler = upscaler_from_file(known.with_suffix(suffix))
    assert (upscaler.factor, upscaler.channels) == (2, 3)
    assert upscaler(torch.rand(2, 3, 16, 16), (64, 64)).shape == (2, 3, 64, 64)
    assert make_upscaler(SuperresConfig(upscaler=str(known.with_suffix(suffix))), None).factor == 2


class Choosy(nn.Module):
    """Doubles images whose sides are multiples of 16."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[2] % 16 == images.shape[3] % 16 == 0
        return images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def test_a_network_that_takes_multiples_of_a_size_alone_gets_them() -> None:
    spandrel = pytest.importorskip("spandrel", reason="the extra `superres` is not installed")
    network = superres._Padded(Choosy(), spandrel.SizeRequirements(multiple_of=16))
    images = torch.rand(2, 1, 20, 31)
    torch.testing.assert_close(
        network(images), images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), atol=0, rtol=0
    )


@pytest.mark.parametrize("change", ["lacking", "of another shape", "foreign"])
def test_incomplete_weights_of_a_known_architecture_are_named(known: Path, tmp_path: Path, change: str) -> None:
    state = load_file(known)
    if change == "lacking":
        del state["body.2.weight"]
    else:
        state["body.2.bias" if change == "of another shape" else "foreign.weight"] = torch.zeros(3, 5)
    save_file(state, tmp_path / "part.safetensors")
    message = r"part\.safetensors' are incomplete .*(body\.2|foreign)\..* Get the file anew"
    with pytest.raises(BenchError, match=message):
        upscaler_from_file(tmp_path / "part.safetensors")


class Failing(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise ValueError("too small")


@pytest.mark.parametrize(
    ("network", "message"),
    [(Failing(), "fails on a crop of 45 x 50 .*too small"), (nn.Identity(), r"makes \(1, 3, 45, 50\)")],
)
def test_a_network_that_does_not_enlarge_crops_is_told_before_any_training(
    known: Path, monkeypatch: pytest.MonkeyPatch, network: nn.Module, message: str
) -> None:
    monkeypatch.setattr(superres, "_described", lambda *_: Upscaler(network, factor=2, channels=3))
    with pytest.raises(BenchError, match=message):
        upscaler_from_file(known)


class Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    torch.save({"params": Evil(trace)}, path)
    with pytest.raises(BenchError, match="holds more than weights"):
        upscaler_from_file(path)
    path.write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(BenchError, match="holds more than weights"):
        upscaler_from_file(path)
    assert not trace.exists()


def test_files_that_cannot_be_used_are_named_with_the_cure(tmp_path: Path) -> None:
    pytest.importorskip("spandrel", reason="the extra `superres` is not installed")
    with pytest.raises(BenchError, match=r"no weights file .*nowhere\.safetensors.*bicubic"):
        upscaler_from_file(tmp_path / "nowhere.safetensors")
    save_model(tmp_path / "other.safetensors", torch.nn.Linear(2, 3))
    with pytest.raises(BenchError, match="no architecture that spandrel knows"):
        upscaler_from_file(tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(BenchError, match="no safetensors file"):
        upscaler_from_file(tmp_path / "text.safetensors")
    (tmp_path / "weights.onnx").write_text("hello")
    with pytest.raises(BenchError, match=r"Give a \.safetensors or \.pth file"):
        upscaler_from_file(tmp_path / "weights.onnx")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BenchError, match="no table of tensors"):
        upscaler_from_file(tmp_path / "list.pth")


def test_a_missing_extra_is_named(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest, **options):
        if name.startswith("spandrel"):
            raise ImportError(name)
        return plain(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BenchError, match=r"pip install 'rsna-lumbar-bench\[superres\]'"):
        upscaler_from_file(known)


def test_weights_that_cannot_be_used_are_told_before_any_training(approach, odd, parts, tmp_path, monkeypatch) -> None:
    context = make_context(tmp_path, odd.volumes)
    monkeypatch.setattr(type(context), "stage", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(BenchError, match="no weights file"):
        approach(f"superres.upscaler={tmp_path / 'none.safetensors'}").fit(parts[0], context)
