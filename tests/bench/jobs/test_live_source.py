"""The source of a class of the session changes with everything that it uses, and with nothing else."""

from __future__ import annotations

import linecache
import sys
import types

import pytest

from bench.approach import Approach
from bench.jobs.live_source import live_source

CELL = """
import numpy as np
from bench.approach import Approach
from bench.metric.prior import prior_probabilities
SHARE = 0.25
UNUSED = 1
def helper(n):
    return np.full((n, 25, 3), SHARE)
class Base(Approach):
    def save(self, folder): pass
class Mine(Base):
    def fit(self, train, context): self.prior = prior_probabilities(train.grades)
    def predict(self, studies, context): return helper(len(studies))
    @classmethod
    def load(cls, folder, config): return cls(config)
"""


def define(text: str, monkeypatch: pytest.MonkeyPatch, cell: str = "cell-1") -> type:
    """Run a cell as a notebook does: in `__main__`, which has no file, its lines known to `linecache`."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    linecache.cache[f"<{cell}>"] = (len(text), None, text.splitlines(keepends=True), f"<{cell}>")
    exec(compile(text, f"<{cell}>", "exec"), main.__dict__)
    return main.__dict__["Mine"]


def sources(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    live, why = live_source(define(text, monkeypatch))
    assert why == ""
    return dict(live.sources)


def test_it_holds_class_bases_functions_and_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sources(CELL, monkeypatch)
    assert found["value SHARE"] == "0.25"
    assert found["class Mine"].startswith("class Mine(Base):")
    assert "class Base" in found
    assert "function helper" in found
    assert "value UNUSED" not in found
    live, _ = live_source(define(CELL, monkeypatch))
    assert {"bench.approach", "bench.metric.prior"} <= set(live.reaches)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("SHARE = 0.25", "SHARE = 0.5", True),
        ("np.full((n, 25, 3), SHARE)", "np.full((n, 25, 3), 1 - SHARE)", True),
        ("return cls(config)", "return cls(None)", True),
        ("def save(self, folder): pass", "def save(self, folder): print()", True),
        ("UNUSED = 1", "UNUSED = 2", False),
    ],
)
def test_it_changes_with_what_is_used(old: str, new: str, changes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = sources(CELL, monkeypatch), sources(CELL.replace(old, new), monkeypatch)
    assert (before != after) == changes


def test_an_attribute_that_is_called_as_a_global_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources("grades = object()\n" + CELL, monkeypatch) == sources(CELL, monkeypatch)


def test_an_array_of_the_session_makes_it_another_source_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = define(CELL.replace("SHARE = 0.25", "SHARE = np.ones(3)"), monkeypatch)
    (first, why), (second, _) = live_source(cls), live_source(cls)
    assert "SHARE is a ndarray, which has no source" in why
    assert first.sources != second.sources


def test_settings_count_by_their_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    text = CELL.replace("class Mine(Base):", "class Mine(Base):\n    Config = Settings")
    text = text.replace(
        "class Base", "from bench.approach import Config\nclass Settings(Config):\n    a: int = 1\nclass Base"
    )
    assert sources(text, monkeypatch) != sources(text.replace("a: int = 1", "a: int = 2"), monkeypatch)


def test_a_class_without_text_is_not_reused() -> None:
    body = {name: lambda *_: None for name in ("fit", "predict", "save", "load")}
    scope: dict = {}
    exec(compile("def fit(self, train, context): pass", "<nowhere>", "exec"), scope)
    cls = type("Mine", (Approach,), {**body, "fit": scope["fit"], "__module__": "__main__"})
    _, why = live_source(cls)
    assert "cannot be read" in why
