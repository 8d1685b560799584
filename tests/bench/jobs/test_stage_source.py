"""What a trained stage depends on: the code that its module reaches, and no other stage's."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.data.cohort import Cohort
from bench.errors import UsageError
from bench.imaging.study import Study
from bench.jobs.context import JobContext
from bench.jobs.fingerprint import changed_parts, stage_source
from bench.plugins import load
from bench.targets import SEVERITIES, TARGET_NAMES
from bench.testing import make_context

FILES = {
    "__init__.py": "from .approach import Staged\n",
    "approach.py": """
from bench import Approach
from . import first, second

class Staged(Approach):
    def fit(self, train, context):
        self.folders = [
            context.shared("sizes", {"step": 0}, train, first.measure),
            context.stage("first", {"epochs": 1}, train, first.build),
            context.stage("second", {"epochs": 1}, train, second.build),
        ]
    def predict(self, studies, context): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder, config): ...
""",
    "first.py": """
from .layers import size
def build(train, context, config): ...
def measure(studies, context, config): ...
""",
    "second.py": """
from bench.training.losses import severity_loss
def build(train, context, config): ...
def build(train, context, config): ...
def make(epochs):
    def build(context): ...
    return build
""",
    "layers.py": "size = 3\n",
    "settings.json": "{}",
}


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Path]:
    """A plug-in of two stages in modules of their own."""
    folder = tmp_path / "staged"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    yield folder
    for name in [one for one in sys.modules if one.startswith("bench.approaches.staged")]:
        del sys.modules[name]


@pytest.fixture
def context(tmp_path: Path) -> JobContext:
    return make_context(tmp_path / "job", volumes=None)


def cohort() -> Cohort:
    labels = pd.DataFrame(np.full((4, 25), SEVERITIES[0]), columns=list(TARGET_NAMES), index=range(4))
    labels.index.name = "study_id"
    return Cohort(tuple(Study(index, ()) for index in range(4)), labels)


def fit(folder: Path, context: JobContext) -> list[Path]:
    approach = load("approaches", "staged", [folder])({})
    approach.fit(cohort(), context)
    return approach.folders


@pytest.mark.parametrize(
    ("file", "anew"),
    [
        ("second.py", [False, False, True]),
        ("first.py", [True, True, False]),
        ("layers.py", [True, True, False]),
        ("approach.py", [False, False, False]),
        ("settings.json", [True, True, True]),
    ],
)
def test_editing_one_stage_trains_no_other(staged: Path, context: JobContext, file: str, anew: list[bool]) -> None:
    before = fit(staged, context)
    assert fit(staged, context) == before
    (staged / file).write_text((staged / file).read_text() + "\n")
    after = fit(staged, context)
    assert [one != other for one, other in zip(before, after, strict=True)] == anew


def build_nothing(studies: Any, context: Any, config: Any) -> None: ...


def test_local_weights_of_a_stage_count(tmp_path: Path, context: JobContext) -> None:
    weights = tmp_path / "weights.pth"
    folders = []
    for content in (b"1", b"2", b"1"):
        weights.write_bytes(content)
        folders.append(context.stage("s", {"pretrained": str(weights)}, cohort(), build_nothing))
        folders.append(context.shared("f", {"pretrained": str(weights)}, cohort(), build_nothing))
    assert folders[:2] == folders[4:]
    assert len({*folders}) == 4


def test_parts_name_what_a_stage_reaches(staged: Path) -> None:
    load("approaches", "staged", [staged])
    second: Any = sys.modules["bench.approaches.staged.second"]
    parts = stage_source(second.make(1))
    assert {"source of staged", "source of staged (bench.training)", "data files of staged"} <= parts.keys()
    assert {"source of bench.data", "source of bench.imaging", "source of bench.jobs"} <= parts.keys()
    assert "bench.training" not in " ".join(stage_source(sys.modules["bench.approaches.staged.first"].build))


def test_functions_that_were_captured_count(staged: Path) -> None:
    """A function made by another module, a partial and a method: their own code decides as well."""
    load("approaches", "staged", [staged])
    first, second = (sys.modules[f"bench.approaches.staged.{name}"] for name in ("first", "second"))
    inner = second.make(1)

    def wraps(function: Any) -> Any:
        def build(context: Any) -> None:
            function(context)

        build.__module__ = first.__name__
        return build

    for build in (wraps(inner), functools.partial(wraps(inner), 1), functools.partial(first.build, inner)):
        before = stage_source(build)
        (staged / "second.py").write_text((staged / "second.py").read_text() + "\n")
        assert changed_parts(before, stage_source(build)) == ["source of staged"]


def test_function_without_a_file_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"module 'builtins' .* Define it in a module of the approach"):
        stage_source(print)
