from __future__ import annotations

import torch

from bench.approaches.mil.convnext3d import DepthNet
from bench.approaches.mil.model import LSTMMIL, POOLINGS, SeverityNet
from bench.approaches.mil.severity_config import Severity
from bench.targets import CONDITIONS
from bench.training.loop import Schedule

SCHEDULE = Schedule(epochs=1, batch_size=1, learning_rate=1e-3)
SMALL = ((4, 8, 8, 8), (1, 1, 1, 1))


def test_a_series_gives_a_score_a_point_and_slice() -> None:
    assert DepthNet(*SMALL, points=5, depth=32)(torch.rand(2, 32, 64, 64)).shape == (2, 5, 32)
    assert DepthNet(*SMALL, points=10, depth=32, coordinates=True)(torch.rand(2, 32, 64, 64)).shape == (2, 10, 3)
    assert DepthNet(*SMALL, points=5, depth=24, pooling="slice")(torch.rand(2, 13, 64, 64)).shape == (2, 5, 13)


def test_slice_pooling_keeps_a_slice_s_place() -> None:
    torch.manual_seed(0)
    network = DepthNet(*SMALL, points=1, depth=24, pooling="slice").eval()
    volume = torch.zeros(1, 16, 64, 64)
    changed = volume.clone()
    changed[0, 12] = torch.rand(64, 64)
    difference = (network(changed) - network(volume)).abs()[0, 0]
    # four blocks of a kernel that looks one slice ahead each; group norms carry a trace of it everywhere
    assert difference[:8].max() < 0.5 * difference[8:13].max()


def test_attention_sums_to_one_and_scores_are_raw() -> None:
    for pooling in POOLINGS.values():
        network = pooling(16)
        pooled, weights, marked = network(torch.randn(3, 5, 16))
        assert pooled.shape == (3, network.num_features)
        assert marked.shape == (3, 5)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))


def test_lstm_mil_is_the_write_up_s() -> None:
    network = LSTMMIL(768)
    assert (network.lstm.hidden_size, network.lstm.num_layers, network.lstm.bidirectional) == (384, 2, True)
    assert network.lstm.dropout == 0.1
    assert network.attention[1].weight is not network.marked[1].weight


def severity_net(**options: object) -> SeverityNet:
    torch.manual_seed(0)
    config = Severity(backbone="test_resnet", schedule=SCHEDULE, **options)
    return SeverityNet(config, config.networks[0], CONDITIONS if config.joint else ("spinal",)).eval()


def test_encoders_are_shared_as_the_settings_say() -> None:
    assert set(severity_net(joint=True, one_encoder=True).encoders) == {"all"}
    assert set(severity_net(joint=True).encoders) == {"t2", "t1", "axial"}
    # the write-up: an encoder a stream; one_encoder is an option of joint alone
    assert set(severity_net(one_encoder=True).encoders) == {"t2", "axial"}


def test_streams_that_share_an_encoder_are_not_mixed_up() -> None:
    network = severity_net(joint=True, one_encoder=True)
    counts = {"canal_sagittal": 5, "canal_axial": 5, "foraminal_sagittal": 10, "side_axial": 10}
    bags = {
        name: torch.rand(count, 5, 48, 64 if name == "canal_axial" else 48)  # one of another size
        for name, count in counts.items()
    }
    before = network(bags)
    bags["foraminal_sagittal"] = torch.rand(10, 5, 48, 48)
    after = network(bags)
    assert not torch.allclose(before["foraminal"].logits, after["foraminal"].logits)
    torch.testing.assert_close(before["spinal"].logits, after["spinal"].logits)
    torch.testing.assert_close(before["subarticular"].logits, after["subarticular"].logits)
