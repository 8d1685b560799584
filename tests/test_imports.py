"""Imports go down, in no circle, and reach no plug-in by name: read from the source of the whole tree."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bench.imports import Import, Package, SourceTree, dotted

CHECKOUT = Path(__file__).parents[1]
KINDS = ("approaches", "datasets", "reports")
# From the top: what stands in one line may not import what stands above it.
ORDER = (
    ("cli",),
    ("api",),
    ("testing",),
    ("console",),
    ("comparison",),
    ("jobs",),
    ("training",),
    ("approach", "dataset", "report"),
    ("data",),
    ("metric",),
    ("imaging",),
    ("files",),
    ("plugins",),
    ("plugin_files",),
    ("imports",),
    ("targets", "errors", "plugin_imports"),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
SEEN_BY_PLUGINS = {
    "approach",
    "dataset",
    "report",
    "data",
    "imaging",
    "metric",
    "training",
    "files",
    "targets",
    "errors",
}
IMPORTERS = {"import_module", "__import__", "spec_from_file_location", "exec_module", "run_module", "run_path"}
IMPORTERS |= {"resolve_name", "EntryPoint"}

# Modules that may import by a string, or name a module in one, and why.
BY_STRING = {
    "bench.plugins": "finds and imports plug-ins, and knows the three contracts by name",
    "bench.plugin_imports": "lets processes that a plug-in starts import the plug-in by its path",
    "bench": "names of the public interface, imported on first use so that `import bench` stays fast",
    "bench.cli": "verbs, imported on first use so that `bench --help` stays fast",
    "bench.cli.data": "the same for the verbs of `bench data`",
}
NAMED = {
    "bench.jobs.fingerprint": "names where reading the imports starts and stops; imports none of them",
}
STARTED = {
    "bench.jobs.worker": "the process of one job, started by `python -m bench.jobs.worker`",
    "bench.jobs.prediction.worker": "the process that predicts, started by `python -m bench.jobs.prediction.worker`",
}


@dataclass(frozen=True)
class House:
    """A checkout whose imports are read."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module of the framework and of the plug-ins, with its file."""
        found = {}
        for folder in ("bench", *KINDS):
            for file in sorted((self.root / folder).rglob("*.py")):
                parts = file.relative_to(self.root).with_suffix("").parts
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                found[".".join(parts if folder == "bench" else ("bench", *parts))] = file
        return found

    @cached_property
    def tree(self) -> SourceTree:
        return SourceTree([Package("bench", (self.root / "bench", self.root))])

    @cached_property
    def edges(self) -> list[tuple[str, Import, str]]:
        """(module, import, the module that it leads to), for all that stay in the house."""
        found = []
        for module in self.modules:
            for imported in self.tree.imports(module):
                target = self.tree.target(imported)
                if target is not None and target not in ("bench", module):
                    found.append((module, imported, target))
        return found

    def violations(self) -> list[str]:
        """All that is wrong with the imports, one line each."""
        return [
            *self.upward(), *self.circles(), *self.of_plugins(), *self.absent(), *self.by_string(), *self.by_text()
        ]  # fmt: skip

    def upward(self) -> Iterator[str]:
        for module in self.modules:
            if module != "bench" and not plugin_of(module) and room_of(module) not in RANK:
                yield f"{module} has no place in the order of imports"
        for module, imported, target in self.edges:
            if plugin_of(module) or plugin_of(target) or module == "bench":
                continue
            if RANK.get(room_of(target), 99) < RANK.get(room_of(module), 99):
                yield f"{module}:{imported.line} imports {target}, which lies above it"

    def circles(self) -> Iterator[str]:
        modules: dict[str, set[str]] = {}
        rooms: dict[str, set[str]] = {}
        for module, _, target in self.edges:
            modules.setdefault(module, set()).add(target)
            if not plugin_of(module) and not plugin_of(target) and room_of(module) != room_of(target):
                rooms.setdefault(room_of(module), set()).add(room_of(target))
        for what, graph in (("modules", modules), ("rooms", rooms)):
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as error:
                yield f"{what} import in a circle: {' <- '.join(error.args[1])}"

    def of_plugins(self) -> Iterator[str]:
        for module in self.modules:
            own = plugin_of(module)
            for imported in self.tree.imports(module):
                line = f"{module}:{imported.line}"
                target = self.tree.target(imported) or imported.module
                if imported.module.partition(".")[0] in KINDS:
                    yield f"{line} imports {imported.module} from the top, where another package of that name may lie"
                elif plugin_of(target) not in (None, own):
                    yield f"{line} reaches the plug-in {plugin_of(target)} by name"
                elif own is not None and target.startswith("bench.") and not plugin_of(target):
                    allowed = SEEN_BY_PLUGINS | ({"comparison"} if own.startswith("bench.reports.") else set())
                    if room_of(target) not in allowed:
                        yield f"{line} imports {target}, which plug-ins of this kind do not see"

    def absent(self) -> Iterator[str]:
        for module in self.modules:
            for imported in self.tree.imports(module):
                if imported.module.startswith("bench.") and self.tree.target(imported) is None:
                    yield f"{module}:{imported.line} imports {imported.module}, which is not there"

    def by_string(self) -> Iterator[str]:
        """Calls that import what a string names."""
        for module in self.modules.keys() - BY_STRING.keys():
            for node in ast.walk(ast.parse(self.modules[module].read_bytes())):
                name = dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
                names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else {name}
                for called in IMPORTERS & {one.rpartition(".")[2] for one in names}:
                    yield f"{module}:{node.lineno} imports by a string ({called}); only bench.plugins does that"

    def by_text(self) -> Iterator[str]:
        """Strings that are the name of a module."""
        for module in self.modules.keys() - BY_STRING.keys() - NAMED.keys():
            for node in ast.walk(ast.parse(self.modules[module].read_bytes())):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and "." in text and text in self.modules and text not in STARTED:
                    yield f"{module}:{node.lineno} names the module {text} in a string"

    def lines(self) -> dict[str, int]:
        return {module: len(path.read_text().splitlines()) for module, path in self.modules.items()}


def room_of(module: str) -> str:
    """The room of a module of the framework: the first name below ``bench``."""
    return module.split(".")[1] if "." in module else module


def plugin_of(module: str) -> str | None:
    """The plug-in that a module belongs to, such as ``bench.approaches.mil``; None in the framework."""
    parts = module.split(".")
    return ".".join(parts[:3]) if len(parts) > 2 and parts[0] == "bench" and parts[1] in KINDS else None


@pytest.fixture(scope="module")
def house() -> House:
    return House(CHECKOUT)


def test_imports_of_the_whole_tree(house: House) -> None:
    assert len(house.modules) > 100
    assert len(house.edges) > 300
    assert house.violations() == []


def test_what_may_name_modules_still_does(house: House) -> None:
    assert {*BY_STRING, *NAMED, *STARTED} <= house.modules.keys()


def test_sizes(house: House) -> None:
    lines = house.lines()
    assert len([path for path in (CHECKOUT / "bench").glob("*.py") if path.name != "__init__.py"]) <= 10
    assert {module: count for module, count in lines.items() if count > 330} == {}
    assert statistics.median(lines.values()) <= 120


# ---- the test itself, on small trees

CLEAN = {
    "bench/__init__.py": "import importlib\n_PUBLIC = {'Approach': 'bench.approach'}\n",
    "bench/approach.py": "if TYPE_CHECKING:\n    from bench.data.cohort import Cohort\n",
    "bench/data/__init__.py": "",
    "bench/data/cohort.py": "from bench.targets import A\n",
    "bench/jobs/__init__.py": "",
    "bench/jobs/execute.py": "from bench import Approach\nfrom bench.data import cohort\n",
    "bench/targets.py": "A = 1\n",
    "approaches/mine/__init__.py": "from .net import Net\n",
    "approaches/mine/net.py": "from bench import Approach\ndef f():\n    import bench.data.cohort\n",
    "reports/page.py": "from bench.comparison import C\n",
    "bench/comparison.py": "C = 1\n",
}


def grown(root: Path, files: Mapping[str, str]) -> House:
    for name, text in {**CLEAN, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return House(root)


def test_a_clean_tree_is_clean(tmp_path: Path) -> None:
    assert grown(tmp_path, {}).violations() == []


DATA, JOBS, OTHER = "bench/data/cohort.py", "bench/jobs/execute.py", "approaches/other.py"


@pytest.mark.parametrize(
    ("file", "text", "violation"),
    [
        (DATA, "import bench.jobs.execute", "bench.data.cohort:1 imports bench.jobs.execute, which lies above"),
        (DATA, "def f():\n    from bench import Approach", "cohort:2 imports bench.approach, which lies above"),
        (
            DATA,
            "try:\n    1\nexcept OSError:\n    from bench.jobs import execute",
            "cohort:4 imports bench.jobs.execute",
        ),
        (DATA, "from ..jobs.execute import x", "cohort:1 imports bench.jobs.execute, which lies above"),
        ("bench/data/other.py", "from bench.data.cohort import x", ""),
        (DATA, "from bench.data.cohort2 import x", "imports bench.data.cohort2, which is not there"),
        ("bench/stray.py", "", "bench.stray has no place in the order"),
        (JOBS, "from bench.approaches.mine import Net", "reaches the plug-in bench.approaches.mine by name"),
        (JOBS, "from bench.approaches import mine", "reaches the plug-in bench.approaches.mine by name"),
        (JOBS, "x = 'bench.approaches.mine'", "names the module bench.approaches.mine in a string"),
        (OTHER, "from bench.approaches.mine.net import Net", "reaches the plug-in bench.approaches.mine"),
        (OTHER, "import bench.jobs.execute", "bench.approaches.other:1 imports bench.jobs.execute, which plug-ins"),
        (OTHER, "from bench.comparison import C", "which plug-ins of this kind do not see"),
        (OTHER, "import approaches.mine", "imports approaches.mine from the top"),
        (DATA, "import importlib\nimportlib.import_module('x')", "cohort:2 imports by a string (import_module)"),
        (DATA, "from importlib import import_module as load", "cohort:1 imports by a string (import_module)"),
        ("approaches/mine/net.py", "__import__('os')", "net:1 imports by a string (__import__)"),
        (JOBS, "x = 'bench.data.cohort'", "names the module bench.data.cohort in a string"),
        (JOBS, "x = ['-m', 'bench.jobs.worker']", ""),
        (JOBS, "if not TYPE_CHECKING:\n    import bench.approaches.mine", "reaches the plug-in"),
    ],
)
def test_each_rule_finds_its_offender(tmp_path: Path, file: str, text: str, violation: str) -> None:
    found = grown(tmp_path, {file: text, "bench/jobs/worker.py": ""}).violations()
    assert (found == []) if not violation else any(violation in line for line in found), found


@pytest.mark.parametrize(
    "files",
    [
        {"bench/data/a.py": "from bench.data import b", "bench/data/b.py": "def f():\n    import bench.data.a"},
        {"approaches/mine/net.py": "from . import x", "approaches/mine/x.py": "from .net import Net"},
        {"approaches/mine/net.py": "from . import Net"},  # through its package's __init__
        {"bench/dataset.py": "import bench.approach", "bench/approach.py": "import bench.dataset"},
    ],
)
def test_circles_are_found(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert any("in a circle" in line for line in grown(tmp_path, files).violations())


def test_a_circle_between_rooms_alone(tmp_path: Path) -> None:
    """Of two contracts in one line of the order, that no module closes by itself."""
    files = {
        "bench/dataset/__init__.py": "",
        "bench/dataset/one.py": "import bench.report.one",
        "bench/dataset/two.py": "",
        "bench/report/__init__.py": "",
        "bench/report/one.py": "",
        "bench/report/two.py": "import bench.dataset.two",
    }
    assert [line.partition(":")[0] for line in grown(tmp_path, files).violations()] == ["rooms import in a circle"]


def targets(text: str, root: Path) -> Iterable[str]:
    house = grown(root, {"bench/jobs/execute.py": text})
    return {target for module, _, target in house.edges if module == "bench.jobs.execute"}


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("from bench import Approach", {"bench.approach"}),
        ("import bench\nprint(bench.Approach)", {"bench.approach"}),
        ("import bench as b\nprint(b.Approach)", {"bench.approach"}),
        ("from bench.data import cohort", {"bench.data.cohort"}),
        ("from bench.data import nothing", {"bench.data"}),
        ("from bench.data.cohort import A as B", {"bench.data.cohort"}),
        ("from ..data.cohort import A", {"bench.data.cohort"}),
        ("import bench.data.cohort as c, os", {"bench.data.cohort"}),
        ("if TYPE_CHECKING:\n    import bench.targets\nelse:\n    import bench.approach", {"bench.approach"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import bench.targets", set()),
        ("class A:\n    def f(self):\n        with x:\n            import bench.targets", {"bench.targets"}),
        ("match 1:\n    case 1:\n        import bench.targets", {"bench.targets"}),
        ("# import bench.targets\nx = 'import bench.targets'", set()),
    ],
)
def test_what_an_import_leads_to(tmp_path: Path, text: str, reached: set[str]) -> None:
    assert targets(text, tmp_path) == reached
