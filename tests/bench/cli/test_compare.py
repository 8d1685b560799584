"""``bench compare``: one pair of a store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import compare
from bench.errors import BenchError, UsageError


def invoke(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_compare_prints_one_pair(elsewhere) -> None:
    elsewhere.add_alone("base", elsewhere.write(elsewhere.table(1.0)))
    elsewhere.add_alone("sharp", elsewhere.write(elsewhere.table(3.0, seed=2), "sharp.csv"))
    elsewhere.add_alone("third", elsewhere.write(elsewhere.table(3.0, seed=3), "third.csv"))
    first, second = (
        invoke(compare.command, *names, "--out", elsewhere.store).stdout
        for names in (("base", "sharp-imported"), ("sharp", "base"))
    )
    assert "these trained models differ: sharp-imported is better (n = 60)" in first
    assert re.search(r"difference \+\d.*base-imported minus sharp-imported, paired by study, n = 60", first)
    assert re.search(r"difference -\d.*sharp-imported minus base-imported", second)
    assert re.search(r"A difference of 0\.\d{4} could be separated with 80 % power by these 60 studies", first)
    document = json.loads(invoke(compare.command, "base", "sharp", "--out", elsewhere.store, "--json").stdout)
    assert [each["name"] for each in document["approaches"]] == ["sharp", "base"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("base", "bose"), "bose.*[Dd]id you mean 'base'"),
        (("base", "base-imported"), "are the same results"),
        (("base", "prior"), "prior is the reference of every comparison"),
    ],
)
def test_compare_refuses(elsewhere, names: tuple[str, str], message: str) -> None:
    elsewhere.add_alone("base", elsewhere.write(elsewhere.table(1.0)))
    with pytest.raises(BenchError, match=message):
        invoke(compare.command, *names, "--out", elsewhere.store)


def test_compare_names_what_a_name_may_mean(make_store: Callable[..., Path]) -> None:
    store = make_store({"mil": 2.0, "other": 1.0})
    make_store({"mil": 1.0}, train_fraction=0.5)
    with pytest.raises(UsageError, match=r"'mil' means several results: mil-quick-44136fa3@0\.5, mil-quick-.*@1\."):
        invoke(compare.command, "mil", "other", "--out", store)
    assert "n = 40" in invoke(compare.command, "mil@1", "other", "--out", store).stdout
    with pytest.raises(UsageError, match=r"cannot be compared: different train fractions .*mil has 0\.5 and other 1"):
        invoke(compare.command, "mil@0.5", "other", "--out", store)
