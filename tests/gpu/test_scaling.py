"""Training in fp16 with a gradient scaler, and in bf16, on a small problem that has a known answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.testing import make_context
from bench.training.checkpoints import read_tensors, training_file
from bench.training.loop import train
from bench.training.schedule import Schedule


class Line:
    """Points on a line in 16 dimensions, the same in every epoch."""

    def __init__(self, device: str) -> None:
        random = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(64, 16, generator=random).to(device)
        self.targets = self.inputs.sum(dim=1, keepdim=True) / 4

    def __len__(self) -> int:
        return 4

    def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
        for inputs, targets in zip(self.inputs.chunk(4), self.targets.chunk(4), strict=True):
            yield (inputs, targets), len(inputs)


def squares(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": F.mse_loss(model(batch[0]).float(), batch[1])}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_learns_and_resumes(device: str, precision: str, odd, tmp_path: Path) -> None:
    def trained(folder: str, epochs_at_once: int) -> tuple[nn.Module, list[float]]:
        losses: list[float] = []
        for limit in range(epochs_at_once, 31, epochs_at_once):
            context = make_context(tmp_path / folder, odd.volumes, device=device)
            context.precision = precision
            seen: list[float] = []
            plain = type(context).progress

            def tell(name: str, *, _plain=plain, _context=context, _seen=seen, _limit=limit, **what) -> None:
                _plain(_context, name, **what)
                if what["step"] == what["steps"]:
                    _seen.append(what["losses"]["loss"])
                    if what["epoch"] == _limit < 30:
                        raise KeyboardInterrupt

            context.progress = tell
            torch.manual_seed(1)
            network = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
            schedule = Schedule(epochs=30, batch_size=16, learning_rate=1e-2)
            try:
                network = train(network, Line(device), squares, schedule, context, stage="line")
            except KeyboardInterrupt:
                _, values = read_tensors(training_file(context.resume, "line"))
                assert bool(values["scalers"][0]) == (precision == "fp16")
            losses += seen
        return network, losses

    network, losses = trained("whole", 30)
    assert losses[-1] < 0.1 * losses[0]
    resumed, _ = trained("resumed", 10)
    for one, other in zip(network.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0 if device == "cpu" else 1e-3)
