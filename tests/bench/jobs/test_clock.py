from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from bench.jobs.clock import Charge, Clock, Spent


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_seconds_include_child_processes(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock.json")
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(burn, [0.5, 0.5]))
    assert clock.seconds()["cpu"] >= 0.95


def test_it_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text(json.dumps({"wall": 100.0, "cpu": 50.0}))
    seconds = Clock(tmp_path / "clock.json").seconds()
    assert 100 <= seconds["wall"] < 101
    assert 50 <= seconds["cpu"] < 51


def test_while_it_is_stopped_nothing_counts_and_what_was_is_saved(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock.json")
    burn(0.05)
    with clock.stopped():
        saved = json.loads((tmp_path / "clock.json").read_text())
        time.sleep(0.2)
        assert clock.seconds() == saved
    assert saved["wall"] >= 0.04
    assert clock.seconds()["wall"] < saved["wall"] + 0.15


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"wall": "x", "cpu": 1}', '{"wall": -1, "cpu": 1}', '{"wall": 1}']
)
def test_a_damaged_file_is_set_aside_and_told_of(tmp_path: Path, text: str, capsys) -> None:
    (tmp_path / "clock.json").write_text(text)
    assert Clock(tmp_path / "clock.json").seconds()["wall"] < 1
    assert "the seconds in it are not counted" in capsys.readouterr().out
    assert len(list(tmp_path.glob("replaced/*-clock.json"))) == 1


def test_shared_work_is_in_the_sum_and_listed_apart() -> None:
    charged = {"stage": Charge(wall=10, cpu=20), "features": Charge(wall=1, cpu=2, shared=True)}
    spent = Spent.of({"wall": 100.0, "cpu": 200.0}, charged)
    assert (spent.wall, spent.cpu, spent.shared_wall, spent.shared_cpu) == (111, 222, 1, 2)
    assert Spent.model_validate_json(spent.model_dump_json()) == spent
