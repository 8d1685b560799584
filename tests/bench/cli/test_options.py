"""Options that several verbs share have one help text, and lists one syntax."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import pytest

from bench.cli import VERBS, group
from bench.cli.data import VERBS as DATA_VERBS
from bench.cli.options import Listed, flat, plugin_paths
from bench.errors import UsageError

VERBS_WITH_OPTIONS = [[verb] for verb in VERBS if verb != "data"] + [["data", verb] for verb in DATA_VERBS]


def options_of(verb: list[str]) -> dict[str, click.Option]:
    command: click.Command = group
    for word in verb:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return {name: option for option in command.params if isinstance(option, click.Option) for name in option.opts}


@pytest.mark.parametrize("name", ["--plugin", "--cache-dir", "--dataset", "--data", "--json"])
def test_a_shared_option_reads_the_same_everywhere(name: str) -> None:
    helps = {verb[-1]: options_of(verb)[name].help for verb in VERBS_WITH_OPTIONS if name in options_of(verb)}
    if name == "--data":
        assert "new studies" in helps.pop("predict")  # no data set of a run
    assert len(helps) > 1
    assert len(set(helps.values())) == 1, helps


def test_every_option_has_a_help_text() -> None:
    silent = defaultdict(list)
    for verb in VERBS_WITH_OPTIONS:
        for name, option in options_of(verb).items():
            if not option.help:
                silent[" ".join(verb)].append(name)
    assert not silent


@pytest.mark.parametrize("verb", [["report"], ["predict"], ["export"], ["data", "build"], ["data", "show"]])
def test_the_output_has_one_short_name_and_both_long_ones(verb: list[str]) -> None:
    assert {"-o", "--out", "--output"} <= options_of(verb).keys()


def test_lists_are_comma_separated_or_repeated() -> None:
    integers = Listed(int, "whole numbers")
    assert flat((integers.convert("0, 2", None, None), integers.convert("2,3", None, None))) == (0, 2, 3)
    with pytest.raises(click.BadParameter, match="'1,x' has to be whole numbers"):
        integers.convert("1,x", None, None)


def test_a_plugin_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.py: no such file"):
        plugin_paths((tmp_path / "absent.py",))
