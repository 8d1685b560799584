"""Training steps of every network of the presets `gpu` and `paper`, and their memory against the forecast.

Loss, optimizer, learning rates and gradient scaler are those of the approach; images are random.
"""

from __future__ import annotations

import pytest
import torch

from bench.approach import NetworkUse, StudyCounts
from bench.training.forecast.profile import profile
from bench.training.objectives import Objective, make_learners
from bench.training.precision import settle
from tests.gpu.training import training_of

COUNTS = StudyCounts(train=1580, graded=395)
# The forecast leaves out the workspaces of cuDNN and what the allocator rounds up.
LEAST, MOST = 0.5, 1.15
STEPS = 6  # the scaler of fp16 leaves out the first ones, until its scale is small enough


def networks() -> list[object]:
    """(approach, preset, number of the network): how many there are is known without building them."""
    counts = {
        ("mil", "gpu"): 5, ("multitask", "gpu"): 3, ("sequence", "gpu"): 1,
        ("mil", "paper"): 17, ("multitask", "paper"): 5, ("sequence", "paper"): 1,
    }  # fmt: skip
    return [
        pytest.param(name, preset, number, id=f"{name}-{preset}-{number}")
        for (name, preset), count in counts.items()
        for number in range(count)
    ]


@pytest.mark.parametrize(("name", "preset", "number"), networks())
def test_training_steps(device: str, name: str, preset: str, number: int, approach_of) -> None:
    if (device, preset) == ("cpu", "paper"):
        pytest.skip("a step at the write-up's sizes takes more memory and time than a machine without a GPU has")
    approach = approach_of(name, preset)
    uses = approach.forecast(COUNTS)
    assert uses is not None
    use = uses[number]
    samples = use.batch_size if device == "cuda" else min(use.batch_size, 2)
    model = settle(_built(use), device).train()
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    precision = "fp16" if device == "cuda" else "fp32"
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    batch, loss, schedule = training_of(approach, use, model, number, samples, device)
    (learner,) = make_learners(model, [Objective("", loss)], schedule, device=device, precision=precision)
    learner.begin(schedule.epochs)
    first = [parameter.detach().clone().cpu() for parameter in learnt]
    for _ in range(STEPS if device == "cuda" else 1):
        losses = learner.backward(batch, 1)
        assert torch.isfinite(losses["loss"])
        learner.step(schedule.epochs // 2 + 1, 0, 1, schedule.epochs)
    assert all(torch.isfinite(parameter).all() for parameter in learnt)
    assert any(not torch.equal(one, now.detach().cpu()) for one, now in zip(first, learnt, strict=True))
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() - before + sum(one.numel() for one in learnt) * 4
        forecast = profile(use, precision).training_bytes
        print(f"{name} {preset} {use.name}: {peak / 2**30:.2f} GiB, forecast {forecast / 2**30:.2f} GiB")
        assert LEAST * forecast <= peak <= MOST * forecast


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "preset"), [(a, p) for p in ("gpu", "paper") for a in ("mil", "multitask", "sequence")]
)
def test_no_network_is_left_out(name: str, preset: str, approach_of) -> None:
    uses = approach_of(name, preset).forecast(COUNTS)
    listed = [one for one in networks() if one.values[:2] == (name, preset)]
    assert len(uses) == len(listed)


def _built(use: NetworkUse) -> torch.nn.Module:
    torch.manual_seed(0)
    return use.build()
