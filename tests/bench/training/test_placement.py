from __future__ import annotations

import torch
from torch import nn

from bench.training.placement import on_device


def test_a_network_goes_to_its_device_as_a_copy_and_stays_where_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    moved = on_device(network, "meta")
    assert all(tensor.device.type == "meta" for tensor in moved.state_dict().values())
    assert all(tensor.device.type == "cpu" for tensor in network.state_dict().values())
    assert on_device(network, "cpu") is network
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_network_without_weights_is_anywhere() -> None:
    network = nn.Identity()
    assert on_device(network, "meta") is network
