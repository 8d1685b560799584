from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, ValidationError

from bench.approach import Config
from bench.jobs.settings import explain, nearest, settings_of


class Inner(Config):
    """How long.

    Attributes:
        epochs: passes over
            the data.
        rate, decay: of the optimizer.
    """

    epochs: int
    rate: float = 1e-3
    decay: float | None = None


class Outer(Config):
    """Both."""

    inner: Inner
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1, 2)
    told: str = Field(default="", description="what is told")


def test_settings_have_key_type_default_and_help() -> None:
    found = {setting.key: setting for setting in settings_of(Outer)}
    assert list(found) == ["inner.epochs", "inner.rate", "inner.decay", "kind", "sizes", "told"]
    assert (found["inner.epochs"].required, found["inner.epochs"].help) == (True, "passes over the data.")
    assert (found["inner.decay"].type, found["inner.decay"].help) == ("float | None", "of the optimizer.")
    assert (found["kind"].type, found["kind"].default) == ('"a" | "b"', "a")
    assert (found["sizes"].type, found["sizes"].default) == ("tuple[int, ...]", [1, 2])
    assert found["told"].help == "what is told"


@pytest.mark.parametrize(
    ("key", "first"), [("inner.epoch", "inner.epochs"), ("decay", "inner.decay"), ("knd", "kind"), ("size", "sizes")]
)
def test_the_nearest_three_settings_are_named_and_no_more(key: str, first: str) -> None:
    words = nearest(key, Outer, "mine")
    assert words.startswith(f"Did you mean {first!r}? Also near: ")
    assert words.endswith("`bench list mine` lists all 6.")
    assert words.count(",") == 1


def test_every_wrong_setting_is_explained() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {"rat": 1}, "kind": "c"})
    lines = explain(caught.value, Outer, "mine").splitlines()
    assert lines[0] == "mine: inner.epochs is required, and neither preset nor --set gives it."
    assert lines[1].startswith("mine has no setting 'inner.rat'. Did you mean 'inner.rate'?")
    assert lines[2].startswith("mine: kind = 'c': ")
