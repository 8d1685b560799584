"""What makes which approach stale, on a copy of the whole tree; what is expected comes from Python's own imports."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.errors import BenchError
from bench.imports import SourceTree
from bench.jobs.fingerprint import BOOKKEEPING, EXECUTES, SCORES, SCORING, changed_parts, file_parts, fingerprint
from bench.jobs.job import Job
from bench.plugin_files import framework
from bench.plugins import Plugin, available, find

CHECKOUT = Path(__file__).parents[3]
APPROACHES = sorted(path.parent.name for path in (CHECKOUT / "approaches").glob("*/__init__.py"))
ALL = set(APPROACHES)
# Reached by an import within a function alone, which loading a module does not show: read from the source by eye.
LATE = ("bench.imaging.build",)


class Tree:
    """A copy of the framework and the approaches whose files can be edited."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before = self.fingerprints()

    def modules(self) -> dict[str, Path]:
        found = {}
        for folder in ("bench", "approaches"):
            for path in sorted((self.root / folder).rglob("*.py")):
                parts = path.relative_to(self.root).with_suffix("").parts
                name = ".".join(parts if folder == "bench" else ("bench", *parts)).removesuffix(".__init__")
                found[name] = path
        return found

    def fingerprints(self) -> dict[str, dict[str, Any]]:
        plugins = available("approaches")
        return {name: fingerprint(job_of(name), plugins[name]) for name in APPROACHES}

    def changed_by(self, path: Path, text: str | None = None) -> dict[str, list[str]]:
        """Approach -> parts of its fingerprint that change with a file: with a line at its end, or with this text."""
        content, times = (path.read_bytes(), path.stat()) if path.exists() else (None, None)
        try:
            path.write_bytes((content or b"") + b"\n# edited\n" if text is None else text.encode())
            after = self.fingerprints()
        finally:
            if content is None or times is None:
                path.unlink()
            else:
                path.write_bytes(content)
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return {name: changed_parts(self.before[name], after[name]) for name in APPROACHES}

    def changed_in(self, module: str, old: str, new: str) -> dict[str, list[str]]:
        path = self.modules()[module]
        assert old in path.read_text()
        return self.changed_by(path, path.read_text().replace(old, new))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    root = tmp_path_factory.mktemp("tree")
    for folder in ("bench", "approaches"):
        shutil.copytree(CHECKOUT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "__path__", [str(root / "bench"), str(root)])
        yield Tree(root)


def job_of(approach: str, config: Mapping[str, Any] | None = None) -> Job:
    return Job(approach, "quick", json.dumps(config or {}), "toy:12", "data", "d" * 64, 2, "f" * 64, 0)


def stale(changed: Mapping[str, Collection[str]]) -> set[str]:
    """The approaches that have to be trained anew."""
    return {name for name, parts in changed.items() if set(parts) - {SCORING}}


@functools.cache
def loaded(modules: tuple[str, ...], without: frozenset[str], empty: tuple[str, ...] = ()) -> frozenset[str]:
    """Modules of `bench` that a fresh Python has loaded after importing some: what Python itself says of imports.

    Args:
        modules: what is imported.
        without: modules in whose place a dummy stands, so that nothing is loaded through them.
        empty: packages whose ``__init__`` does nothing.
    """
    code = f"""
import importlib, sys, types
import bench
for name in {sorted(without)!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__getattr__ = lambda attribute: type(attribute, (), {{}})
for name in {empty!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [bench.__path__[0] + "/" + name.partition(".")[2]]
for name in {modules!r}:
    importlib.import_module(name)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    return frozenset(name for name in done.stdout.split() if name.startswith("bench.")) - without


def loaded_by(approach: str) -> frozenset[str]:
    """What an approach imports; the names in `bench.metric` aside, of which only the prior's module is asked."""
    return loaded((f"bench.approaches.{approach}",), frozenset(), ("bench.metric",))


@pytest.mark.slow
def test_every_module_makes_exactly_those_stale_that_reach_it(tree: Tree) -> None:
    executing = loaded((*EXECUTES, *LATE), BOOKKEEPING)
    reached = {name: loaded_by(name) for name in APPROACHES}
    scoring = loaded(SCORES, BOOKKEEPING.difference(SCORES))
    wrong = {}
    for module, path in tree.modules().items():
        changed = tree.changed_by(path)
        expected = {name for name in APPROACHES if module in reached[name] | executing}
        rescored = {name for name, parts in changed.items() if SCORING in parts}
        if stale(changed) != expected or rescored != (ALL if module in scoring else set()):
            wrong[module] = (stale(changed), expected, rescored)
    assert wrong == {}


@pytest.mark.parametrize(
    ("module", "expected", "scores"),
    [
        ("bench.targets", ALL, True),
        ("bench.approach", ALL, True),
        ("bench.data.folds", ALL, False),
        ("bench.data.load", ALL, False),
        ("bench.data.keypoints", {"mil"}, False),
        ("bench.data.contact_sheet", set(), False),
        ("bench.data.validate", set(), False),
        ("bench.imaging.dicom.pixels", ALL, False),
        ("bench.imaging.discovery", set(), False),
        ("bench.training.loop", {"mil"}, False),
        ("bench.training.crops", {"mil"}, False),
        ("bench.metric.prior", {"mil", "prior"}, False),
        ("bench.metric.terms", set(), True),
        ("bench.metric.localisation", set(), True),
        ("bench.jobs.score", set(), True),
        ("bench.jobs.execute", ALL, False),
        ("bench.jobs.store", set(), False),
        ("bench.jobs.worker", set(), False),
        ("bench.jobs.executors", set(), False),
        ("bench.files.locks", set(), False),
        ("bench.cli.run", set(), False),
        ("bench.console.screen", set(), False),
        ("bench.comparison.wording", set(), False),
        ("bench.approaches.mil.severity", {"mil"}, False),
        ("bench.approaches.prior.approach", {"prior"}, False),
    ],
)
def test_modules_checked_by_hand(tree: Tree, module: str, expected: set[str], scores: bool) -> None:
    changed = tree.changed_by(tree.modules()[module])
    assert stale(changed) & {"mil", "prior"} == expected & {"mil", "prior"}
    assert all((SCORING in parts) == scores for parts in changed.values())


def test_smoothing_of_the_class_prior_makes_what_uses_it_stale(tree: Tree) -> None:
    changed = tree.changed_in("bench.metric.prior", "pooled @ counts + 1", "pooled @ counts + 1000")
    assert {"mil", "prior"} <= stale(changed)
    assert changed["prior"] == ["source of prior (bench.metric)"]


def test_choice_of_training_subsets_makes_everything_stale(tree: Tree) -> None:
    path = tree.modules()["bench.data.folds"]
    changed = tree.changed_by(path, path.read_text().replace("def training_studies(", "def training_studies_(") + "\n")
    assert stale(changed) == ALL
    assert changed["prior"] == ["source of bench.data"]


def test_metric_changes_scores_alone(tree: Tree) -> None:
    for module in ("terms", "scoring", "localisation", "solution", "submission", "tables"):
        changed = tree.changed_by(tree.modules()[f"bench.metric.{module}"])
        assert set(map(tuple, changed.values())) == {(SCORING,)}, module


def test_module_that_nobody_imports_makes_nothing_stale(tree: Tree) -> None:
    for folder in ("training", "imaging", "data", "jobs", "metric", "."):
        changed = tree.changed_by(tree.root / "bench" / folder / "newcomer.py", "import bench.targets\n")
        assert not any(changed.values()), folder


def test_new_import_within_a_function_counts(tree: Tree) -> None:
    (tree.root / "bench/training/newcomer.py").write_text("x = 1\n")
    path = tree.modules()["bench.approaches.prior.approach"]
    text = path.read_text()
    try:
        path.write_text(text + "\n\ndef late():\n    from bench.training import newcomer\n")
        with_import = tree.fingerprints()["prior"]
        (tree.root / "bench/training/newcomer.py").write_text("x = 2\n")
        edited = tree.fingerprints()["prior"]
    finally:
        path.write_text(text)
        (tree.root / "bench/training/newcomer.py").unlink()
    assert changed_parts(with_import, edited) == ["source of prior (bench.training)"]


@pytest.mark.parametrize("module", sorted(BOOKKEEPING))
def test_what_is_cut_off_is_reached_and_decides_nothing(tree: Tree, module: str) -> None:
    """No entry is dead or misspelt, and each holds back something that would make everything stale."""
    assert module in SourceTree([framework()]).closure(EXECUTES, BOOKKEEPING - {module})
    executing = tree.before["prior"].keys()
    assert not any(module in part for part in executing)
    changed = tree.changed_by(tree.modules()[module])
    assert "prior" not in stale(changed)


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(BOOKKEEPING))
def test_what_is_cut_off_makes_those_stale_that_import_it_themselves(tree: Tree, module: str) -> None:
    assert stale(tree.changed_by(tree.modules()[module])) == {name for name in APPROACHES if module in loaded_by(name)}


def test_root_that_is_absent_is_an_error(tree: Tree) -> None:
    path = tree.modules()["bench.jobs.execute"]
    moved = path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(BenchError, match=r"no module bench\.jobs\.execute"):
            tree.fingerprints()
    finally:
        moved.rename(path)


def test_line_ends_change_nothing(tree: Tree) -> None:
    path = tree.modules()["bench.training.loop"]
    assert not any(tree.changed_by(path, path.read_text().replace("\n", "\r\n")).values())


def test_presets_and_readme_change_nothing_of_themselves(tree: Tree) -> None:
    folder = tree.root / "approaches/mil"
    for path in (folder / "quick.toml", folder / "ablations/new.toml", folder / "README.md"):
        assert not any(tree.changed_by(path, "# edited\n").values()), path


def test_parts_that_approaches_share_have_equal_values(tree: Tree) -> None:
    """Reports compare them across approaches, to tell different versions of the framework."""
    shared = [part for part in tree.before["prior"] if part.startswith("source of bench")]
    rooms = {"source of bench", *(f"source of bench.{room}" for room in ("data", "files", "imaging", "jobs"))}
    assert rooms == set(shared)
    assert all(values[part] == tree.before["prior"][part] for values in tree.before.values() for part in shared)


def test_contents_of_local_weights_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"one")
    monkeypatch.chdir(tmp_path)
    config = {"severity": {"pretrained": str(weights), "others": [{"path": "weights.safetensors"}]}, "name": "x" * 5000}
    first = fingerprint(job_of("prior", config), find("approaches", "prior"))
    weights.write_bytes(b"two")  # as long, at once
    second = fingerprint(job_of("prior", config), find("approaches", "prior"))
    assert changed_parts(first, second) == ["file " + str(weights), "file weights.safetensors"]
    assert file_parts({"backbone": "resnet18", "epochs": 3, "empty": "", "folder": str(tmp_path), "odd": "a\0b"}) == {}
    weights.unlink()
    assert file_parts(config) == {}


SIBLINGS = {
    "spine_main.py": "import numpy\nfrom spine_net import Net\nfrom bench.approach import Approach\n",
    "spine_net.py": "import spine_layers\nNet = 1\n",
    "spine_layers/__init__.py": "from .deep import x\n",
    "spine_layers/deep.py": "x = 1\n",
    "stranger.py": "",
}


@pytest.mark.parametrize("shared", [False, True])
def test_modules_beside_an_installed_one_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    folder = tmp_path / ("site-packages" if shared else "project")
    for name, text in SIBLINGS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    info = folder / "spine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spine\nVersion: 1\n")
    own = [name for name in SIBLINGS if name != "stranger.py"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in [*own, "spine-1.dist-info/METADATA"]))
    monkeypatch.syspath_prepend(str(folder))
    plugin = Plugin("approaches", "spine", "test", entry_point="spine_main:Mine")
    assert [path.relative_to(folder).as_posix() for path in plugin.sources()] == sorted(own)
    before = fingerprint(job_of("spine"), plugin)
    for name in own:
        (folder / name).write_text(SIBLINGS[name] + "# edited\n")
        assert changed_parts(before, fingerprint(job_of("spine"), plugin)) == ["source of spine"], name
        (folder / name).write_text(SIBLINGS[name])
    (folder / "stranger.py").write_text("# edited\n")
    assert changed_parts(before, fingerprint(job_of("spine"), plugin)) == []


def test_whole_package_of_an_installed_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "spinepack"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "approach.py", "deep/__init__.py", "deep/net.py"):
        (package / name).write_text("raise SystemExit('not to be imported')\n")
    (package / "weights.bin").write_bytes(b"1")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = Plugin("approaches", "spine", "test", entry_point="spinepack.approach:Mine")
    before = fingerprint(job_of("spine"), plugin)
    (package / "deep" / "net.py").write_text("")
    (package / "weights.bin").write_bytes(b"2")
    after = fingerprint(job_of("spine"), plugin)
    assert changed_parts(before, after) == ["source of spine", "data files of spine"]
    assert "spinepack" not in sys.modules


def test_a_fingerprint_costs_little() -> None:
    """In a fresh process, as each job and each start takes it; 0.13 s of CPU on two cores of 2024."""
    code = """
import time
from bench.jobs.fingerprint import fingerprint
from bench.jobs.job import Job
from bench.plugins import find
job = Job("mil", "quick", "{}", "toy:12", "data", "d" * 64, 2, "f" * 64, 0)
for _ in range(2):
    start = time.process_time()
    fingerprint(job, find("approaches", "mil"))
    print(time.process_time() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    first, second = map(float, done.stdout.split())
    assert first < 0.4
    assert second < 0.1
