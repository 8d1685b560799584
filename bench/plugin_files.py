"""What a plug-in is made of, read without importing it: its files, and which contract its classes fulfil."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bench
from bench.imports import Import, Package, SourceTree, read_or_empty

# Folders that are no part of the plug-in they lie in, beside hidden ones: tests, what `bench new` copies, caches, other
# packages, data, results.
_NOT_WALKED = {"__pycache__", "node_modules", "new_approach", "site-packages", "tests", "venv", "train_images"}
_NOT_WALKED |= {"runs", "wandb", "mlruns", "lightning_logs"}
_RESULTS = re.compile(r"folds-\d+-[0-9a-f]{8}")  # a split's results, in a store of any name
_MARKS = ("pyvenv.cfg", "conda-meta", "CACHEDIR.TAG")  # a virtual environment, one of conda's, a cache


def walk(folder: Path) -> list[Path]:
    """The files of a plug-in's folder, sorted, without those that are hidden or in tests, caches or results."""
    files: list[Path] = []
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_aside(Path(root, name)))
        paths = [Path(root, name) for name in names if not name.startswith(".") and not name.endswith((".pyc", ".pyo"))]
        files += [path for path in paths if path.is_file()]  # no FIFO, socket or device
    return sorted(files)


def neighbours(file: Path) -> list[Path]:
    """Modules and packages beside a single module that it imports by name, and those that they import, sorted.

    Where the folder is shared by many installed packages, only those that the module's own one has installed.
    """
    own = _installed_with(file)
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        piece = waiting.pop()
        sources = [path for path in walk(piece) if path.suffix == ".py"] if piece.is_dir() else [piece]
        imports = [imported for source in sources for imported in read_or_empty(source, source.stem).imports]
        for name in {imported.module.partition(".")[0] for imported in imports} - {"", "bench"}:
            beside = _beside(file, name)
            if beside is not None and beside not in (file, *found) and (own is None or beside in own):
                found.add(beside)
                waiting.append(beside)
    return sorted(found)


def outermost_package(module: str, file: Path) -> Package:
    """The outermost package that a module lies in, or the module itself if it lies in none."""
    root = file.parent if file.name == "__init__.py" else file
    parts = module.split(".")
    while len(parts) > 1 and (root.parent / "__init__.py").is_file():
        root, parts = root.parent, parts[:-1]
    return Package(".".join(parts), (root,))


def installed_file(module: str) -> Path | None:
    """The file of an importable module, found without importing its packages; None if it is gone."""
    top, *inner = module.split(".")
    spec = _spec(top)
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        return Path(spec.origin) if not inner and spec.origin else None
    return SourceTree([Package(top, tuple(map(Path, spec.submodule_search_locations)))]).locate(module)


def _beside(file: Path, name: str) -> Path | None:
    """The module or package of a name that lies beside a file, if that is what an import of the name would find."""
    module, package = file.with_name(f"{name}.py"), file.with_name(name)
    found = package if (package / "__init__.py").is_file() else module
    if not found.exists():
        return None
    spec = _spec(name)
    same = spec is None or spec.origin in (str(found), str(found / "__init__.py"))
    return found if same else None


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _installed_with(file: Path) -> set[Path] | None:
    """What one distribution installed into the folder that holds a file; None where the folder is no shared one."""
    if file.parent.name not in ("site-packages", "dist-packages"):
        return None
    for distribution in importlib.metadata.distributions(path=[str(file.parent)]):
        tops = {path.parts[0] for path in distribution.files or ()}
        if file.name in tops:
            return {file.parent / top for top in tops}
    return set()


def _is_aside(folder: Path) -> bool:
    name = folder.name
    if name.startswith(".") or name in _NOT_WALKED or name.endswith((".egg-info", ".dist-info")):
        return True
    return _RESULTS.fullmatch(name) is not None or any((folder / mark).exists() for mark in _MARKS)


@dataclass(frozen=True, slots=True)
class Kinds:
    """Tells what kind of plug-in a class is by its bases, however many modules these lie apart.

    Attributes:
        tree: the plug-in's own modules, and those of ``bench``.
        contracts: name of a contract's class -> kind of plug-in.
    """

    tree: SourceTree
    contracts: Mapping[str, str]

    def of_class(self, file: Path, module: str, name: str, depth: int = 8) -> str | None:
        """The kind of a class that a file defines; None if it is none."""
        source = read_or_empty(file, module)
        bound = {one.bound: one for one in source.imports}
        for base in dict(source.classes).get(name, ()) if depth else ():
            first, _, rest = base.partition(".")
            kind = self.contracts.get(base.rpartition(".")[2])
            if kind is None and base in dict(source.classes) and base != name:
                kind = self.of_class(file, module, base, depth - 1)
            elif kind is None and first in bound:
                kind = self.of_name(_target(bound[first], base, rest), depth - 1)
            if kind is not None:
                return kind
        return None

    def of_name(self, target: str, depth: int) -> str | None:
        """The kind of ``package.module.Class``, which an ``__init__`` may have imported from elsewhere."""
        module, _, name = target.rpartition(".")
        top = target.split(".")
        if top[0] == "bench" and top[1] in self.contracts.values():
            return top[1]
        if name in self.contracts:
            return self.contracts[name]
        file = self.tree.locate(module) or (installed_file(module) if module else None)
        if file is None or not depth:
            return None
        for one in read_or_empty(file, module).imports:
            if one.bound == name:
                return self.of_name(_target(one, name, ""), depth - 1)
        return self.of_class(file, module, name, depth - 1)


def kind_of(path: Path, contracts: Mapping[str, str]) -> str | None:
    """The kind of plug-in that a file or folder holds, read from its classes' bases; None if it holds none.

    Args:
        path: the plug-in.
        contracts: name of a contract's class -> kind of plug-in.
    """
    kinds = Kinds(SourceTree([Package(path.stem, (path,)), framework()]), contracts)
    for module, file in modules_of(Package(path.stem, (path,))).items():
        for name, _ in read_or_empty(file, module).classes:
            kind = kinds.of_class(file, module, name)
            if kind is not None:
                return kind
    return None


def framework() -> Package:
    """`bench` itself, and the plug-in folders that Python sees within it."""
    return Package("bench", tuple(Path(root) for root in bench.__path__))


def pieces(package: Package) -> list[Package]:
    """What a plug-in's package is made of: itself, and for a single file also what it imports from beside it."""
    if package == framework():
        return []
    (root,) = package.roots
    return [package, *(Package(path.stem, (path,)) for path in (neighbours(root) if root.is_file() else []))]


def modules_of(package: Package) -> dict[str, Path]:
    """Every module of a package that is a folder or a single file: its name and file."""
    (root,) = package.roots
    if root.is_file():
        return {package.name: root}
    found = {}
    for file in walk(root):
        if file.suffix == ".py":
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join([package.name, *(parts[:-1] if parts[-1] == "__init__" else parts)])] = file
    return found


def _target(imported: Import, written: str, rest: str) -> str:
    """The full name behind a name as it is written where it was imported."""
    if imported.name is None and imported.bound == imported.module.partition(".")[0]:
        return written  # after `import a.b`, `a.b.Class` is written out in full
    return ".".join(filter(None, [imported.module, imported.name, rest]))
