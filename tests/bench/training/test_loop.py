from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError, UsageError
from bench.training.checkpoints import read_tensors
from bench.training.loop import Schedule, train
from bench.training.schedule import learning_rate

PLAIN = Schedule(epochs=4, batch_size=8, learning_rate=1e-2, average=0.9)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))


def squares(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": (network(batch[0]) - batch[1]).square().mean()}


def same(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_killed_in_any_epoch_ends_as_if_it_had_not_been(context, line, precision) -> None:
    whole = train(model(), line(), squares, PLAIN, context("whole"), stage="s", precision=precision)
    for stop_in in (1, 2, 4):
        broken = context(f"broken{stop_in}")
        with pytest.raises(line.killed):
            train(model(), line(stop_in), squares, PLAIN, broken, stage="s", precision=precision)
        torch.manual_seed(999)  # another process starts elsewhere
        resumed = train(model(), line(), squares, PLAIN, broken, stage="s", precision=precision)
        assert same(whole, resumed), f"killed in epoch {stop_in}"


def test_convolutions_in_channels_last_order_survive_a_kill(context, line) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Unflatten(1, (3, 1, 1)), nn.ConvTranspose2d(3, 4, 5), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(54, 1)
        )

    whole = train(network(), line(), squares, PLAIN, context("whole"), stage="s")
    broken = context("broken")
    with pytest.raises(line.killed):
        train(network(), line(3), squares, PLAIN, broken, stage="s")
    assert same(whole, train(network(), line(), squares, PLAIN, broken, stage="s"))


def test_a_finished_training_is_not_done_again(context, line) -> None:
    job = context("job")
    first = train(model(), line(), squares, PLAIN, job, stage="s")
    again = train(model(), line(stop_in=1), squares, PLAIN, job, stage="s")
    assert same(first, again)


def test_the_checkpoint_of_a_finished_training_is_its_weights_alone(context, line, caplog) -> None:
    job = context("job")
    checkpoint = job.resume / "s.safetensors"
    with pytest.raises(line.killed):
        train(model(), line(4), squares, PLAIN, job, stage="s")
    assert any(name.startswith("optimizer0") for name in read_tensors(checkpoint)[0])
    done = train(model(), line(), squares, PLAIN, job, stage="s")
    tensors, values = read_tensors(checkpoint)
    assert values["finished"]
    assert {*tensors} == {f"model.{name}" for name in done.state_dict()} | {"random.cpu"}
    assert all(torch.equal(tensors[f"model.{name}"], tensor) for name, tensor in done.state_dict().items())

    flipped = bytearray(checkpoint.read_bytes())
    flipped[-1] ^= 1
    checkpoint.write_bytes(flipped)
    assert same(train(model(), line(), squares, PLAIN, job, stage="s"), done)
    assert "is damaged" in caplog.text


def test_another_schedule_does_not_take_up_an_old_checkpoint(context, line) -> None:
    job = context("job")
    train(model(), line(), squares, PLAIN, job, stage="s")
    other = PLAIN.model_copy(update={"learning_rate": 1e-3})
    with pytest.raises(line.killed):
        train(model(), line(stop_in=1), squares, other, job, stage="s")


def test_it_learns_and_tells_where_it_is(context, line, monkeypatch) -> None:
    job = context("job")
    told = []
    monkeypatch.setattr(type(job), "progress", lambda self, stage, **what: told.append((stage, what)))
    schedule = Schedule(epochs=30, batch_size=8, learning_rate=3e-2)
    train(model(), line(), squares, schedule, job, stage="line")
    ends = [what for _, what in told if what["step"] == what["steps"]]
    assert [what["epoch"] for what in ends] == list(range(1, 31))
    assert ends[-1]["losses"]["loss"] < 0.3 * ends[0]["losses"]["loss"]
    assert all(what["images_per_second"] > 0 for what in ends)
    assert ends[-1]["learning_rate"] < ends[5]["learning_rate"]


def test_accumulated_batches_step_as_one(context, line) -> None:
    plain = nn.Linear(3, 1)
    twin = nn.Linear(3, 1)
    twin.load_state_dict(plain.state_dict())

    class Doubled(line):
        def epoch(self, number: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
            pairs = list(super().epoch(number))
            for (x, y), _ in pairs:  # the same data in two halves
                yield (x[:4], y[:4]), 4
                yield (x[4:], y[4:]), 4

        def __len__(self) -> int:
            return 2 * self.count

    schedule = Schedule(epochs=2, batch_size=8, learning_rate=1e-2)
    train(plain, line(), squares, schedule, context("one"), stage="s")
    train(twin, Doubled(), squares, schedule.model_copy(update={"accumulate": 2}), context("two"), stage="s")
    torch.testing.assert_close(plain.weight, twin.weight)


def test_divergence_is_an_error_that_names_the_cure(context, line) -> None:
    def broken(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": network(batch[0]).mean() * float("nan")}

    with pytest.raises(BenchError, match="Lower its learning_rate"):
        train(model(), line(), broken, PLAIN, context("job"), stage="s")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("options", [{}, {"average": 0.9, "weight_decay": 0.1}, {"accumulate": 2, "clip": 0.1}])
def test_the_plain_case_is_a_textbook_loop_bit_for_bit(context, line, precision, options) -> None:
    schedule = Schedule(epochs=3, batch_size=8, learning_rate=1e-2, **options)
    job = context("job")
    expected = textbook(model(), line(), schedule, job.seed("s"), precision)
    assert same(train(model(), line(), squares, schedule, job, stage="s", precision=precision), expected)


def textbook(network: nn.Module, batches, schedule: Schedule, seed: int, precision: str) -> nn.Module:
    """AdamW, warm-up and cosine, accumulation, clipping and a moving average, with nothing else."""
    torch.manual_seed(seed)
    network.train()
    kernels = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": schedule.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, fused=True)
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    kind = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    average = {name: tensor.clone() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    steps = math.ceil(len(batches) / schedule.accumulate)
    total, step = schedule.epochs * steps, 0
    warmup = max(1, round(schedule.warmup * total))
    for epoch in range(1, schedule.epochs + 1):
        ready = [batch for batch, _ in batches.epoch(epoch)]
        for start in range(0, len(ready), schedule.accumulate):
            part = ready[start : start + schedule.accumulate]
            for batch in part:
                with torch.autocast("cpu", dtype=kind, enabled=kind is not None):
                    loss = squares(network, batch)["loss"]
                scaler.scale(loss / len(part)).backward()
            climbing = step < warmup
            falling = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate * ((step + 1) / warmup if climbing else falling)
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            decay = min(schedule.average, (1 + step) / (10 + step))
            for name, tensor in average.items():
                tensor.lerp_(network.state_dict()[name], 1 - decay)
            step += 1
    if schedule.average:
        network.load_state_dict(average, strict=False)
    return network


FEATURES: dict[str, dict] = {
    "unfreezing": {
        "groups": {"0": {"first_epoch": 3, "learning_rate": 3e-3}, "1": {"first_epoch": 3, "norms_in_eval": True}}
    },
    "plateau": {"decay": "plateau", "plateau": {"patience": 0, "min_delta": 0.05}},
    "stopping": {"average": 0.5, "early_stopping": {"patience": 2, "min_delta": 0.4}},
    "all": {
        "decay": "plateau",
        "plateau": {"patience": 0, "value": "worst", "mode": "max"},
        "early_stopping": {"patience": 3, "min_delta": 0.2, "restore_best": False},
        "groups": {"4": {"first_epoch": 2}},
        "accumulate": 2,
    },
}


def held_out(network: nn.Module) -> Mapping[str, float]:
    x = torch.linspace(-1, 1, 30).reshape(10, 3)
    errors = (network(x) - x.sum(dim=1, keepdim=True)).square()
    return {"loss": float(errors.mean()), "worst": float(errors.max())}


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_survives_a_kill_in_any_epoch(context, line, name) -> None:
    schedule = Schedule.model_validate({"epochs": 6, "batch_size": 8, "learning_rate": 3e-2} | FEATURES[name])

    def run(batches, job) -> tuple[nn.Module, list]:
        called: list[tuple[int, tuple]] = []

        def before(epoch: int, past: Sequence[Mapping[str, float]]) -> None:
            called.append((epoch, tuple(past)))

        try:
            network = train(model(), batches, squares, schedule, job, stage="s", validate=held_out, before_epoch=before)
        except line.killed:
            network = nn.Identity()
        return network, called

    whole, calls = run(line(), context("whole"))
    assert [epoch for epoch, _ in calls] == list(range(1, len(calls) + 1))
    for stop_in in range(1, len(calls) + 1):
        broken = context(f"broken{stop_in}")
        _, before = run(line(stop_in), broken)
        torch.manual_seed(999)
        resumed, after = run(line(), broken)
        assert same(whole, resumed), f"killed in epoch {stop_in}"
        assert before[:-1] + after == calls  # the epoch of the kill alone is begun again, with the same past


def test_early_stopping_stops_and_returns_the_best_epoch(context, line) -> None:
    values = [3.0, 1.0, 2.0, 2.0, 0.5, 0.1]
    seen: list[dict[str, Tensor]] = []

    def validate(network: nn.Module) -> Mapping[str, float]:
        assert not network.training
        assert not torch.is_grad_enabled()
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return {"score": values[len(seen) - 1]}

    stopping = {"value": "score", "patience": 2}
    options = {"epochs": 6, "batch_size": 8, "learning_rate": 1e-2, "average": 0.9}
    for restore_best, expected in ((True, 1), (False, 3)):
        seen.clear()
        schedule = Schedule.model_validate({**options, "early_stopping": {**stopping, "restore_best": restore_best}})
        job = context(str(restore_best))
        network = train(model(), line(), squares, schedule, job, stage="s", validate=validate)
        assert len(seen) == 4  # the best is the second; two more without improvement
        assert all(torch.equal(tensor, seen[expected][name]) for name, tensor in network.state_dict().items())
        again = train(model(), line(stop_in=1), squares, schedule, job, stage="s", validate=validate)
        assert same(network, again)


def test_validation_leaves_the_training_as_it_is(context, line) -> None:
    plain = train(model(), line(), squares, PLAIN, context("plain"), stage="s")
    validated = train(model(), line(), squares, PLAIN, context("validated"), stage="s", validate=held_out)
    assert same(plain, validated)


def test_what_is_validated_stands_in_the_history(context, line, monkeypatch) -> None:
    job = context("job")
    told = []
    monkeypatch.setattr(type(job), "progress", lambda self, stage, **what: told.append(what))
    train(model(), line(), squares, PLAIN, job, stage="s", validate=held_out)
    losses = [what["losses"] for what in told if what["step"] == what["steps"]]
    assert [sorted(one) for one in losses] == [["loss", "validation.loss", "validation.worst"]] * 4


@pytest.mark.parametrize("options", [{"decay": "plateau"}, {"early_stopping": {}}])
def test_what_needs_validation_says_so(context, line, options) -> None:
    schedule = Schedule.model_validate({"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, **options})
    with pytest.raises(UsageError, match="needs a validation step"):
        train(model(), line(), squares, schedule, context("job"), stage="s")


def test_an_undefined_validation_value_is_an_error(context, line) -> None:
    schedule = Schedule.model_validate({"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "early_stopping": {}})
    with pytest.raises(BenchError, match="'loss' is nan in epoch 1"):
        train(model(), line(), squares, schedule, context("a"), stage="s", validate=lambda _: {"loss": math.nan})
    with pytest.raises(UsageError, match="Did you mean 'losses'"):
        train(model(), line(), squares, schedule, context("b"), stage="s", validate=lambda _: {"losses": 1.0})


@pytest.mark.parametrize("before", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("after", ["fp32", "bf16", "fp16"])
def test_a_checkpoint_of_another_precision_is_not_taken_up(context, line, caplog, before, after) -> None:
    job = context("job")
    with pytest.raises(line.killed):
        train(model(), line(stop_in=3), squares, PLAIN, job, stage="s", precision=before)
    begun: list[int] = []
    train(
        model(),
        line(),
        squares,
        PLAIN,
        job,
        stage="s",
        precision=after,
        before_epoch=lambda epoch, _: begun.append(epoch),
    )
    assert begun[0] == (3 if before == after else 1)
    said = f"training starts anew. The checkpoint there is of another training; what differs: precision was {before}"
    assert (said in caplog.text) is (before != after)


def test_the_hook_may_change_the_number_of_batches(context, line, monkeypatch) -> None:
    batches = line(count=2)
    told: list[float] = []

    def grow(epoch: int, past: Sequence[Mapping[str, float]]) -> None:
        assert len(past) == epoch - 1
        batches.count = 2 * epoch

    job = context("job")
    monkeypatch.setattr(type(job), "progress", lambda self, stage, **what: told.append(what["steps"]))
    train(model(), batches, squares, PLAIN, job, stage="s", before_epoch=grow)
    assert told == [2] * 2 + [4] * 4 + [6] * 6 + [8] * 8


def test_the_rate_of_the_history_is_that_of_the_last_step(context, line, monkeypatch) -> None:
    job = context("job")
    rates = []
    monkeypatch.setattr(type(job), "progress", lambda self, stage, **what: rates.append(what.get("learning_rate")))
    train(model(), line(), squares, PLAIN, job, stage="s")
    ends = [rate for rate in rates if rate is not None]
    assert ends == [learning_rate(step, 20, PLAIN) for step in (4, 9, 14, 19)]
