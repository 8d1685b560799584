from __future__ import annotations

import pytest

from bench.training.schedule import OptimizerConfig, Schedule, learning_rate


def rates(steps: int = 100, **options: object) -> list[float]:
    config = OptimizerConfig.model_validate({"learning_rate": 2.0, "warmup": 0.1, **options})
    return [learning_rate(step, steps, config) for step in range(steps)]


def test_the_rate_climbs_then_falls_as_a_cosine() -> None:
    cosine = rates()
    assert cosine[0] == pytest.approx(0.2)
    assert cosine[9] == cosine[10] == pytest.approx(2.0)
    assert cosine[55] == pytest.approx(1.0)
    assert 0 < cosine[-1] < 0.01


def test_a_cosine_may_end_above_zero() -> None:
    cosine = rates(final_rate=0.1)
    assert cosine[10] == pytest.approx(2.0)
    assert cosine[55] == pytest.approx(1.1)
    assert 0.2 < cosine[-1] < 0.21


@pytest.mark.parametrize("decay", ["constant", "plateau"])
def test_the_others_warm_up_and_stay(decay) -> None:
    flat = rates(decay=decay)
    assert flat[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert set(flat[9:]) == {2.0}


def test_a_late_group_warms_up_from_its_own_first_step_to_what_the_others_have() -> None:
    config = OptimizerConfig(learning_rate=2.0, warmup=0.1)
    late = [learning_rate(step, 100, config, peak=1.0, entered=40) for step in range(40, 100)]
    others = [learning_rate(step, 100, config) for step in range(40, 100)]
    assert late[0] == pytest.approx(others[0] / 2 / 10)
    assert late[4] == pytest.approx(others[4] / 2 * 5 / 10)
    assert late[9:] == pytest.approx([rate / 2 for rate in others[9:]])


def test_old_fields_keep_names_and_defaults() -> None:
    schedule = Schedule(epochs=3, batch_size=2, learning_rate=1e-3)
    kept = {"weight_decay": 0.01, "warmup": 0.1, "accumulate": 1, "clip": 1.0, "average": 0.0}
    assert {name: getattr(schedule, name) for name in kept} == kept
    assert (schedule.decay, schedule.early_stopping, schedule.groups) == ("cosine", None, {})


@pytest.mark.parametrize(
    ("key", "value"), [("decay", "linear"), ("early_stopping", {"patience": 0}), ("plateau", {"factor": 1.5})]
)
def test_nonsense_is_refused(key, value) -> None:
    with pytest.raises(ValueError, match=key):
        Schedule.model_validate({"epochs": 3, "batch_size": 2, "learning_rate": 1e-3, key: value})
