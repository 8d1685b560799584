from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from bench.approach import Config
from bench.errors import BenchError, UsageError
from bench.training.backbones import BackboneName, encoder, feature_maps, num_features


def test_an_encoder_gives_pooled_features_of_grey_images() -> None:
    network = encoder("test_resnet")
    assert network(torch.rand(2, 1, 48, 40)).shape == (2, num_features(network))


def test_feature_maps_are_told_with_their_stride() -> None:
    network = encoder("test_resnet", features_only=True, channels=3)
    maps = network(torch.rand(1, 3, 64, 64))
    assert [(64 // one.shape[-1], one.shape[1]) for one in maps] == feature_maps(network)


def test_a_network_of_one_fixed_size_is_built_for_the_crop() -> None:
    network = encoder("test_vit2", image_size=(48, 64))
    assert network(torch.rand(1, 1, 48, 64)).shape == (1, num_features(network))


def test_an_unknown_network_is_guessed_at() -> None:
    with pytest.raises(UsageError, match="Did you mean 'convnext_small'"):
        encoder("convnext_smal")
    with pytest.raises(UsageError, match="knows no weights 'fb_in22k_ft_in1' of convnext_small"):
        encoder("convnext_small.fb_in22k_ft_in1")


def test_weights_from_a_local_file(tmp_path: Path) -> None:
    source = timm.create_model("test_resnet", in_chans=3)
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    network = encoder("test_resnet", channels=3, pretrained=str(tmp_path / "weights.safetensors"))
    assert torch.equal(network.conv1[0].weight, source.conv1[0].weight)
    grey = encoder("test_resnet", channels=1, pretrained=str(tmp_path / "weights.safetensors"))
    torch.testing.assert_close(grey.conv1[0].weight, source.conv1[0].weight.sum(dim=1, keepdim=True))


def test_missing_weights_are_an_error_that_names_the_cure(monkeypatch) -> None:
    with pytest.raises(BenchError, match=r"Give the path of a \.safetensors file"):
        encoder("test_resnet", pretrained="/nowhere/weights.safetensors")

    def offline(name: str, *, pretrained: bool, **_: object) -> None:
        if pretrained:
            raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(BenchError, match="set `pretrained` to the path of a downloaded weights file"):
        encoder("test_resnet", pretrained=True)


def test_a_setting_that_names_no_network_is_refused_when_it_is_read() -> None:
    class Settings(Config):
        backbone: BackboneName

    assert Settings(backbone="test_resnet").backbone == "test_resnet"
    with pytest.raises(ValidationError, match="timm has no network 'test_resnt'"):
        Settings(backbone="test_resnt")
