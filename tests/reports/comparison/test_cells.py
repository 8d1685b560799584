"""Cells of tables: what a number reads as."""

import pytest

from bench.reports.comparison.cells import large


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (870, "870"),
        (12_300, "12.3 k"),
        (4_100_000, "4.1 M"),
        (1.8e9, "1.8 G"),
        (29.7e12, "29.7 T"),
        (3.779e15, "3.78 P"),
    ],
)
def test_large_counts_have_a_unit(value: float, text: str) -> None:
    assert large(round(value)).text == text


def test_a_count_that_is_not_known_is_a_dash_and_an_empty_field() -> None:
    assert (large(None).text, large(None).value) == ("–", None)
