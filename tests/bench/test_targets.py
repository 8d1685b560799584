from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.targets import CONDITIONS, TARGETS, indices


@pytest.mark.parametrize(
    ("condition", "side", "first", "count"),
    [
        ("spinal", None, 0, 5),
        ("foraminal", None, 5, 10),
        ("foraminal", "left", 5, 5),
        ("foraminal", "right", 10, 5),
        ("subarticular", None, 15, 10),
        ("subarticular", "left", 15, 5),
        ("subarticular", "right", 20, 5),
    ],
)
def test_indices_of_a_condition_and_side(condition: str, side: str | None, first: int, count: int) -> None:
    found = indices(condition, side)
    assert found == tuple(range(first, first + count))
    assert {TARGETS[index].condition for index in found} == {condition}
    assert side is None or {TARGETS[index].side for index in found} == {side}


def test_conditions_cover_all_targets_in_order() -> None:
    assert [index for condition in CONDITIONS for index in indices(condition)] == list(range(25))


def test_unknown_conditions_and_sides_are_named() -> None:
    with pytest.raises(UsageError, match=r"'foramina'.*Did you mean 'foraminal'"):
        indices("foramina")
    with pytest.raises(UsageError, match=r"'spinal' has no side 'left'.*no side"):
        indices("spinal", "left")
    with pytest.raises(UsageError, match=r"no side 'middle'.*'left', 'right'"):
        indices("foraminal", "middle")
