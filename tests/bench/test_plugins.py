from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.plugins import PluginError, available, find, load

APPROACH = """
from bench import Approach
class Mine(Approach):
    def fit(self, train, context): ...
    def predict(self, studies, context): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder, config): ...
"""


def write(path: Path, text: str = APPROACH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_ours_are_found_in_the_tree() -> None:
    assert {"mil", "prior"} <= set(available("approaches"))
    assert {"phantom", "rsna2024"} <= set(available("datasets"))


def test_listing_imports_nothing() -> None:
    code = (
        "import sys; from bench.plugins import available; available('approaches'); available('datasets');"
        "print([name for name in sys.modules if name.startswith(('bench.approaches', 'bench.datasets', 'torch'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_file_and_folder_at_a_path(tmp_path: Path) -> None:
    file = write(tmp_path / "one.py")
    write(tmp_path / "two" / "__init__.py", "from .inner import Mine")
    write(tmp_path / "two" / "inner.py")
    paths = [file, tmp_path / "two"]
    assert load("approaches", "one", paths).__name__ == "Mine"
    assert load("approaches", "two", paths).__module__ == "bench.approaches.two.inner"
    assert "one" not in available("datasets", paths)


def test_two_of_one_name_are_both_named(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a" / "same.py"), write(tmp_path / "b" / "same.py")]
    with pytest.raises(UsageError, match=r"'same'.*a/same\.py.*b/same\.py"):
        available("approaches", paths)
    with pytest.raises(UsageError, match="'prior'"):
        available("approaches", [write(tmp_path / "prior.py")])


def test_two_of_one_name_in_turn_are_each_their_own(tmp_path: Path) -> None:
    first = write(tmp_path / "first" / "mine.py")
    write(tmp_path / "second" / "mine" / "__init__.py", "from .inner import Mine")
    write(tmp_path / "second" / "mine" / "inner.py", APPROACH + "    place = 2\n")
    write(tmp_path / "third" / "mine" / "__init__.py", "from .inner import Mine")
    write(tmp_path / "third" / "mine" / "inner.py", APPROACH + "    place = 3\n")
    one = load("approaches", "mine", [first])
    assert load("approaches", "mine", [first]) is one
    assert load("approaches", "mine", [tmp_path / "second" / "mine"]).place == 2  # type: ignore[attr-defined]
    assert load("approaches", "mine", [tmp_path / "third" / "mine"]).place == 3  # type: ignore[attr-defined]
    assert not hasattr(load("approaches", "mine", [first]), "place")


def test_unknown_name_is_guessed() -> None:
    with pytest.raises(UsageError, match=r"unknown approach 'priro'. Did you mean 'prior'\?"):
        find("approaches", "priro")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("def broken(:", "SyntaxError"),
        ("x = 1", "exactly one subclass of bench.Approach; it holds none"),
        (APPROACH + "class Other(Mine): ...\n", "it holds Mine, Other"),
    ],
)
def test_broken_plugin_says_why_and_takes_nothing_down(tmp_path: Path, text: str, reason: str) -> None:
    name = f"broken{abs(hash(text))}"
    path = write(tmp_path / f"{name}.py", text)
    assert {name, "prior"} <= set(available("approaches", [path]))
    with pytest.raises(PluginError, match=reason):
        load("approaches", name, [path])
    assert load("approaches", "prior", [path]).__name__ == "Prior"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys\nsys.exit('needs a GPU')", "ends the program when it is imported (SystemExit: needs a GPU)"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['-x'])", "(SystemExit: 2). Move its command line"),
        ("raise GeneratorExit('odd')", "GeneratorExit: odd"),
        ("class Stop(BaseException): ...\nraise Stop('now')", "Stop: now"),
        ("input('key: ')", "EOFError: EOF when reading a line. It reads standard input"),
    ],
)
def test_whatever_is_raised_at_import_is_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path / f"raises{abs(hash(text))}.py", f"{text}\n{APPROACH}")
    with pytest.raises(PluginError, match=re.escape(reason)):
        load("approaches", path.stem, [path])
    assert f"bench.approaches.{path.stem}" not in sys.modules


def test_an_interrupt_at_import_interrupts(tmp_path: Path) -> None:
    path = write(tmp_path / "interrupted.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("approaches", "interrupted", [path])


def test_failed_import_leaves_no_module_behind(tmp_path: Path) -> None:
    write(tmp_path / "half" / "__init__.py", "from . import inner\nfrom .inner import absent")
    write(tmp_path / "half" / "inner.py")
    with pytest.raises(PluginError, match="absent"):
        load("approaches", "half", [tmp_path / "half"])
    assert not [name for name in sys.modules if name.startswith("bench.approaches.half")]


def test_what_is_printed_at_import_goes_to_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = "import os\nprint('one')\nos.system('echo two')\nos.write(1, b'three')\n"
    path = write(tmp_path / "talks.py", text + APPROACH)
    print("before")
    assert load("approaches", "talks", [path]).__name__ == "Mine"
    print("after")
    out, err = capfd.readouterr()
    assert out == "before\nafter\n"
    assert all(word in err for word in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("import helper_beside", "Make it a folder: move alone.py to alone/__init__.py and helper_beside into alone/"),
        ("from .helper_beside import x", "`from . import helper_beside` or `from .helper_beside import ...`"),
    ],
)
def test_single_file_that_imports_its_neighbour_is_told_the_cure(tmp_path: Path, text: str, cure: str) -> None:
    path = write(tmp_path / "alone.py", f"{text}\n{APPROACH}")
    write(tmp_path / "helper_beside.py", "x = 1")
    with pytest.raises(PluginError, match=re.escape(cure)):
        load("approaches", "alone", [path])


def test_neighbour_that_can_be_imported_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write(tmp_path / "together.py", f"import helper_of_it, stat, numpy\n{APPROACH}")
    helper = write(tmp_path / "helper_of_it.py", "x = 1")
    write(tmp_path / "stat.py", "")  # the standard library's is the one that is imported
    assert load("approaches", "together", [path]).__name__ == "Mine"
    assert find("approaches", "together", [path]).sources() == [helper, path]


def test_folder_that_imports_its_own_module_absolutely_is_told_the_cure(tmp_path: Path) -> None:
    write(tmp_path / "whole" / "__init__.py", f"import inner_one\n{APPROACH}")
    write(tmp_path / "whole" / "inner_one.py", "")
    with pytest.raises(PluginError, match="inner_one lies in its folder: import it relatively"):
        load("approaches", "whole", [tmp_path / "whole"])


LOCATE = "    def locate(self, **_): ...\n"


@pytest.mark.parametrize(
    "files",
    [
        {"__init__.py": "from bench.datasets.rsna2024 import Rsna2024\nclass Mine(Rsna2024): ...\n"},
        {"__init__.py": "import bench.datasets.rsna2024 as other\nclass Mine(other.Rsna2024): ...\n"},
        {"__init__.py": "import bench.datasets.rsna2024\nclass Mine(bench.datasets.rsna2024.Rsna2024): ...\n"},
        {
            "__init__.py": "from .a import Middle\nclass Mine(Middle): ...\n",
            "a.py": "from .b import B\nclass Middle(B): ...",
            "b.py": "import bench.dataset as d\nclass B(d.DataSet):\n" + LOCATE,
        },
        {"__init__.py": "from spine_sets import Public as P\nclass Mine(P): ...\n"},
        {"__init__.py": "import spine_sets.inner\nclass Mine(spine_sets.inner.Public): ...\n"},
        {"__init__.py": "from bench import DataSet as Base\nclass Mine(Base):\n" + LOCATE},
        {"__init__.py": "from .a import Mine", "a.py": "from bench import DataSet\nclass Mine(DataSet):\n" + LOCATE},
    ],
)
def test_data_set_is_known_through_the_bases_of_its_bases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    write(tmp_path / "installed" / "spine_sets" / "__init__.py", "from .inner import Public")
    write(tmp_path / "installed" / "spine_sets" / "inner.py", f"import bench\nclass Public(bench.DataSet):\n{LOCATE}")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    for name, text in files.items():
        write(tmp_path / "derived" / name, text)
    paths = [tmp_path / "derived"]
    assert "derived" in available("datasets", paths)
    assert "derived" not in available("approaches", paths)
    assert not any(name.startswith("spine_sets") for name in sys.modules)


def test_derived_data_set_is_loaded(tmp_path: Path) -> None:
    text = "from bench.datasets.rsna2024 import Rsna2024\nclass Hospital(Rsna2024): ...\n"
    path = write(tmp_path / "hospital.py", text)
    assert load("datasets", "hospital", [path]).__name__ == "Hospital"


def test_bases_in_a_circle_are_no_kind(tmp_path: Path) -> None:
    write(tmp_path / "round" / "__init__.py", "from .a import A\nclass B(A): ...\n")
    write(tmp_path / "round" / "a.py", "from . import B\nclass A(B): ...\nclass C(C): ...\n")
    assert "round" in available("approaches", [tmp_path / "round"])


def test_virtual_environment_inside_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "repo" / "__init__.py").parent
    for index in range(30):
        write(folder / ".venv" / f"p{index // 10}" / f"m{index}.py", "x = 1\n")
    visited: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": (visited.append(str(path)), scandir(path))[1])
    assert find("approaches", "repo", [folder]).sources() == [folder / "__init__.py"]
    assert any(path.endswith("repo") for path in visited)
    assert not any(".venv" in path for path in visited)


def test_no_plugin_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such Python file"):
        available("approaches", [tmp_path / "absent.py"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="__init__"):
        available("approaches", [tmp_path / "empty"])


def test_installed_package_announces_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "spine_package.py")
    info = tmp_path / "spine_package-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: spine-package\nVersion: 1.0\n")
    write(info / "entry_points.txt", "[bench.approaches]\nspine = spine_package:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = available("approaches")["spine"]
    assert plugin.origin == "installed with spine-package"
    assert load("approaches", "spine").__name__ == "Mine"
    assert plugin.sources() == [tmp_path / "spine_package.py"]
