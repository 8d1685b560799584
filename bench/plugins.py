"""Finding approaches, data sets and reports: in the checkout, at a path the user names, or in an installed package.

A plug-in is a folder with an ``__init__.py``, or a single Python file; its name is the folder's or the file's. Listing
names imports nothing. The class is the one subclass of the contract that the module defines or imports from itself.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.errors import BenchError, UsageError, unknown

# kind of plug-in -> module and class of its contract
CONTRACTS = {
    "approaches": ("bench.approach", "Approach"),
    "datasets": ("bench.dataset", "DataSet"),
    "reports": ("bench.report", "Report"),
}
_SINGULAR = {"approaches": "approach", "datasets": "data set", "reports": "report"}


class PluginError(BenchError):
    """A plug-in exists but cannot be used."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plug-in that was found, not yet imported.

    Attributes:
        kind: ``approaches``, ``datasets`` or ``reports``.
        name: what the user calls it.
        origin: where it comes from, in words.
        path: its folder or file; None for one that an installed package announces.
        entry_point: the object reference of such a package, such as ``mypackage.spine:MyApproach``.
    """

    kind: str
    name: str
    origin: str
    path: Path | None = None
    entry_point: str | None = None

    def sources(self) -> list[Path]:
        """All Python files whose change can change what it does, sorted."""
        path = self.path
        if path is None:
            spec = importlib.util.find_spec(str(self.entry_point).partition(":")[0])
            if spec is None or spec.origin is None:
                raise PluginError(f"the module of {_SINGULAR[self.kind]} {self.name!r} ({self.origin}) is gone.")
            origin = Path(spec.origin)
            path = origin.parent if spec.submodule_search_locations else origin
        return sorted(path.rglob("*.py")) if path.is_dir() else [path]

    def folder(self) -> Path:
        """Where its presets lie."""
        first = self.sources()[0]
        return self.path if self.path is not None and self.path.is_dir() else first.parent


def available(kind: str, paths: Sequence[Path] = ()) -> dict[str, Plugin]:
    """All plug-ins of a kind by name, without importing any.

    Args:
        kind: ``approaches``, ``datasets`` or ``reports``.
        paths: files and folders that the user named with ``--plugin``; those of another kind are passed over.

    Raises:
        UsageError: two plug-ins have one name, or a path is no plug-in.
    """
    found: dict[str, Plugin] = {}
    for plugin in [*_in_tree(kind), *_at_paths(kind, paths), *_installed(kind)]:
        other = found.get(plugin.name)
        if other is not None:
            raise UsageError(
                f"two {kind} are called {plugin.name!r}: {other.origin} and {plugin.origin}. Rename one of them."
            )
        found[plugin.name] = plugin
    return dict(sorted(found.items()))


def find(kind: str, name: str, paths: Sequence[Path] = ()) -> Plugin:
    """The plug-in of this name. Raises UsageError, with a guess at what was meant, if there is none."""
    plugins = available(kind, paths)
    if name not in plugins:
        raise unknown(_SINGULAR[kind], name, plugins)
    return plugins[name]


def load(kind: str, name: str, paths: Sequence[Path] = ()) -> Any:
    """The class of the plug-in of this name, imported.

    Raises:
        UsageError: there is none of this name.
        PluginError: it cannot be imported, or does not hold exactly one class of its contract.
    """
    return load_plugin(find(kind, name, paths))


def load_plugin(plugin: Plugin) -> Any:
    """The class of a plug-in, imported. Raises PluginError, which says why, if that fails."""
    what = f"{_SINGULAR[plugin.kind]} {plugin.name!r} ({plugin.origin})"
    try:
        module = _import(plugin)
    except Exception as error:
        raise PluginError(f"{what} cannot be imported: {type(error).__name__}: {error}") from error
    if isinstance(module, type):
        return module
    base_module, base_name = CONTRACTS[plugin.kind]
    base = getattr(importlib.import_module(base_module), base_name)
    classes = {
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and value is not base
        and (value.__module__ == module.__name__ or value.__module__.startswith(module.__name__ + "."))
    }
    if len(classes) != 1:
        names = ", ".join(sorted(cls.__name__ for cls in classes)) or "none"
        raise PluginError(f"{what} has to hold exactly one subclass of bench.{base_name}; it holds {names}.")
    return classes.pop()


def _in_tree(kind: str) -> list[Plugin]:
    plugins = []
    for root in bench.__path__:
        folder = Path(root) / kind
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name.startswith(("_", ".")):
                continue
            if (path / "__init__.py").is_file() or path.suffix == ".py":
                plugins.append(Plugin(kind, path.stem, f"{folder.name}/{path.name}", path))
    return plugins


def _at_paths(kind: str, paths: Sequence[Path]) -> list[Plugin]:
    plugins = []
    for path in paths:
        path = Path(path).expanduser().resolve()
        if not ((path / "__init__.py").is_file() or (path.suffix == ".py" and path.is_file())):
            raise UsageError(f"--plugin {path}: no such Python file, nor a folder with an __init__.py.")
        if _kind_of(path) == kind:
            plugins.append(Plugin(kind, path.stem, str(path), path))
    return plugins


def _kind_of(path: Path) -> str:
    """The kind of plug-in a file or folder holds, read from its classes' bases without importing it."""
    bases = {name: kind for kind, (_, name) in CONTRACTS.items()}
    for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        try:
            tree = ast.parse(source.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                    if name in bases:
                        return bases[name]
    return "approaches"  # where it then shows as broken, with the reason


def _installed(kind: str) -> list[Plugin]:
    plugins = []
    for entry in importlib.metadata.entry_points(group=f"bench.{kind}"):
        package = entry.dist.name if entry.dist is not None else "an installed package"
        plugins.append(Plugin(kind, entry.name, f"installed with {package}", entry_point=entry.value))
    return plugins


def _import(plugin: Plugin) -> Any:
    if plugin.entry_point is not None:
        return importlib.metadata.EntryPoint(plugin.name, plugin.entry_point, f"bench.{plugin.kind}").load()
    assert plugin.path is not None
    name = f"bench.{plugin.kind}.{plugin.name}"
    if name in sys.modules:
        return sys.modules[name]
    if any(plugin.path.parent == Path(root) / plugin.kind for root in bench.__path__):
        return importlib.import_module(name)
    package = plugin.path / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name,
        package if package.is_file() else plugin.path,
        submodule_search_locations=[str(plugin.path)] if package.is_file() else None,
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
