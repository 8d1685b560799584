from __future__ import annotations

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
