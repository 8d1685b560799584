"""Finding approaches, data sets and reports: in the checkout, at a path the user names, or in an installed package.

A plug-in is a folder with an ``__init__.py``, or a single Python file; its name is the folder's or the file's. Listing
names imports nothing. The class is the one subclass of the contract that the module defines or imports from itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.errors import BenchError, UsageError, unknown
from bench.imports import Package
from bench.plugin_files import installed_file, kind_of, outermost_package, pieces, walk
from bench.plugin_imports import quiet

# kind of plug-in -> module and class of its contract
CONTRACTS = {
    "approaches": ("bench.approach", "Approach"),
    "datasets": ("bench.dataset", "DataSet"),
    "reports": ("bench.report", "Report"),
}
_being_imported: set[str] = set()
_SINGULAR = {"approaches": "approach", "datasets": "data set", "reports": "report"}


class PluginError(BenchError):
    """A plug-in exists but cannot be used."""


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A class that was defined in this process, such as in a notebook, in place of a file.

    Attributes:
        cls: the class.
        sources: what its results depend on of the code around it, by name; unique per run where that cannot be read.
        reaches: the modules of ``bench`` that it uses.
    """

    cls: type
    sources: Mapping[str, str]
    reaches: tuple[str, ...] = ()


_live: dict[str, Plugin] = {}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plug-in that was found, not yet imported.

    Attributes:
        kind: ``approaches``, ``datasets`` or ``reports``.
        name: what the user calls it.
        origin: where it comes from, in words.
        path: its folder or file; None for one that an installed package announces.
        entry_point: the object reference of such a package, such as ``mypackage.spine:MyApproach``.
        live: the class itself, where it was defined in this process.
    """

    kind: str
    name: str
    origin: str
    path: Path | None = None
    entry_point: str | None = None
    live: Live | None = None

    @property
    def has_files(self) -> bool:
        """Whether presets and ablations may lie beside it: it is a folder, or in an installed package."""
        return self.live is None and (self.path is None or self.path.is_dir())

    def package(self) -> Package:
        """The folder or the file that the plug-in is made of, under the name that it is imported by.

        For an installed one: the whole outermost package that holds the module which the entry point names.
        """
        if self.path is not None:
            return Package(f"bench.{self.kind}.{self.name}", (self.path,))
        module = str(self.entry_point).partition(":")[0]
        file = installed_file(module)
        if file is None:
            raise PluginError(f"the module of {_SINGULAR[self.kind]} {self.name!r} ({self.origin}) is gone.")
        return outermost_package(module, file)

    def sources(self) -> list[Path]:
        """All Python files whose change can change what it does, sorted."""
        return sorted(self.files(".py"))

    def files(self, suffix: str = "") -> list[Path]:
        """All files of its folder, or the one file and the modules beside it that it imports."""
        roots = [root for piece in pieces(self.package()) for root in piece.roots]
        found = [path for root in roots for path in (walk(root) if root.is_dir() else [root])]
        return [path for path in found if path.name.endswith(suffix)]

    def folder(self) -> Path:
        """Where its presets lie."""
        if self.path is not None:
            return self.path if self.path.is_dir() else self.path.parent
        file = installed_file(str(self.entry_point).partition(":")[0])
        return file.parent if file is not None else self.package().roots[0]


def available(kind: str, paths: Sequence[Path] = ()) -> dict[str, Plugin]:
    """All plug-ins of a kind by name, without importing any.

    Args:
        kind: ``approaches``, ``datasets`` or ``reports``.
        paths: files and folders that the user named with ``--plugin``; those of another kind are passed over.

    Raises:
        UsageError: two plug-ins have one name, or a path is no plug-in.
    """
    found: dict[str, Plugin] = {}
    live = [plugin for plugin in _live.values() if plugin.kind == kind]
    for plugin in [*_in_tree(kind), *_at_paths(kind, paths), *_announced(kind), *live]:
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
    """The class of a plug-in, imported. Raises PluginError, which says why, if that fails in any way."""
    if plugin.live is not None:
        return plugin.live.cls
    what = f"{_SINGULAR[plugin.kind]} {plugin.name!r} ({plugin.origin})"
    try:
        with quiet():
            module = _import(plugin)
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:  # also SystemExit: a script's own command line at top level
        raise PluginError(f"{what} cannot be imported: {_reason(error, plugin)}") from error
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


@contextmanager
def known(plugins: Sequence[Plugin]) -> Iterator[None]:
    """Have live plug-ins found by name meanwhile."""
    _live.update({plugin.name: plugin for plugin in plugins})
    try:
        yield
    finally:
        for plugin in plugins:
            _live.pop(plugin.name, None)


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
    contracts = {name: kind for kind, (_, name) in CONTRACTS.items()}
    for path in paths:
        path = Path(path).expanduser().resolve()
        if not ((path / "__init__.py").is_file() or (path.suffix == ".py" and path.is_file())):
            raise UsageError(f"--plugin {path}: no such Python file, nor a folder with an __init__.py.")
        if (kind_of(path, contracts) or "approaches") == kind:  # what holds none shows there as broken
            plugins.append(Plugin(kind, path.stem, str(path), path))
    return plugins


def _announced(kind: str) -> list[Plugin]:
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
    if name in _being_imported:
        raise PluginError(
            f"{plugin.origin} asks for itself while it is being imported: it calls the suite at its top level. Move "
            "that call under `if __name__ == '__main__':`."
        )
    loaded = sys.modules.get(name)
    if loaded is not None and os.path.realpath(loaded.__file__ or "") == os.path.realpath(_source(plugin.path)):
        return loaded
    _forget(name)  # another file of the same name, imported earlier in this process
    _being_imported.add(name)
    try:
        return _import_file(plugin, name)
    finally:
        _being_imported.remove(name)


def _import_file(plugin: Plugin, name: str) -> Any:
    assert plugin.path is not None
    if any(plugin.path.parent == Path(root) / plugin.kind for root in bench.__path__):
        return importlib.import_module(name)
    source = _source(plugin.path)
    spec = importlib.util.spec_from_file_location(
        name, source, submodule_search_locations=[str(plugin.path)] if source != plugin.path else None
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _forget(name)
        raise
    return module


def _source(path: Path) -> Path:
    """The file that is imported: the module itself, or the `__init__.py` of a folder."""
    package = path / "__init__.py"
    return package if package.is_file() else path


def _forget(name: str) -> None:
    for loaded in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        del sys.modules[loaded]


def _reason(error: BaseException, plugin: Plugin) -> str:
    """What went wrong at import, and what can be done about it."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, SystemExit):
        return (
            f"it ends the program when it is imported ({reason}). Move its command line, and whatever else runs at "
            "the top level of a script, under `if __name__ == '__main__':`."
        )
    if isinstance(error, EOFError):
        return f"{reason}. It reads standard input when it is imported, which is empty here."
    missing = (getattr(error, "name", None) or "").rpartition(".")[2] if isinstance(error, ImportError) else ""
    path = plugin.path
    if path is not None and missing:
        folder = path if path.is_dir() else path.parent
        if (folder / f"{missing}.py").is_file() or (folder / missing / "__init__.py").is_file():
            return f"{reason}. {_cure_of_import(path, missing)}"
    return reason


def _cure_of_import(path: Path, missing: str) -> str:
    relative = f"`from . import {missing}` or `from .{missing} import ...`"
    if path.is_dir():
        return f"{missing} lies in its folder: import it relatively, as {relative}."
    return (
        f"{missing} lies beside it, but a plug-in of one file is that file alone. Make it a folder: move {path.name} "
        f"to {path.stem}/__init__.py and {missing} into {path.stem}/ too, write {relative}, and name the folder."
    )
