"""Reading imports without running them: what a module imports, and every module that it reaches.

Imports within functions count, those under ``if TYPE_CHECKING`` do not: they cannot change what a program does.
"""

from __future__ import annotations

import ast
import functools
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import BenchError

T = TypeVar("T")
_JUST_CHANGED_S = 2.0  # two edits within a tick of the file system's clock can leave equal size and time


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name.

    Attributes:
        module: the absolute name of the module, such as ``bench.data.folds``.
        name: what is taken from it by ``from module import name``; None for ``import module``.
        bound: the name under which the importing module knows it.
        line: where the import stands.
    """

    module: str
    name: str | None
    bound: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """What is read from a module's text.

    Attributes:
        imports: its imports, in order.
        classes: each class with the names of its bases as written, such as ``("Mine", ("bench.Approach",))``.
        public: name -> module, of names that a package's ``__init__`` imports on first use (its ``_PUBLIC`` table).
    """

    imports: tuple[Import, ...]
    classes: tuple[tuple[str, tuple[str, ...]], ...]
    public: dict[str, str]


@dataclass(frozen=True, slots=True)
class Package:
    """A package on disk, or a module that is a single file.

    Attributes:
        name: its absolute name.
        roots: the folders that hold its modules, or the one file.
    """

    name: str
    roots: tuple[Path, ...]


@dataclass(eq=False)
class SourceTree:
    """Packages whose imports are followed; what other modules they import is passed over.

    Where one package lies within another by name, the longer name counts.
    """

    packages: Sequence[Package]
    _located: dict[str, Path | None] = field(default_factory=dict)

    def locate(self, module: str) -> Path | None:
        """The file of a module (``__init__.py`` for a package), or None if it is not in these packages."""
        if module not in self._located:
            self._located[module] = self._look_up(module)
        return self._located[module]

    def closure(self, roots: Iterable[str], cut: Collection[str] = ()) -> dict[str, Path]:
        """Every module that the roots reach, themselves included, with its file, sorted by name.

        ``from package import module`` leads to that module, and to the text of the package's ``__init__`` alone: what
        an ``__init__`` imports is reached where a name of its own is asked of it. A name in a lazy table (`Source`)
        leads to that name's module alone. The top package's ``__init__`` is reached only by ``import package``.

        Args:
            roots: names of modules.
            cut: modules that are left out, with everything that is reached through them alone.

        Raises:
            BenchError: a root is not there.
        """
        waiting = list(roots)
        for root in waiting:
            if self.locate(root) is None:
                raise BenchError(f"there is no module {root} to take a fingerprint of. Was the installation changed?")
        followed: set[str] = set()
        passed: set[str] = set()
        while waiting:
            module = waiting.pop()
            if module in followed or module in cut:
                continue
            followed.add(module)
            passed.update(parents(module)[1:])
            for imported in self.imports(module):
                target = self.target(imported)
                if target is not None:
                    waiting.append(target)
        found = {module: self.locate(module) for module in sorted((followed | passed) - set(cut))}
        return {module: path for module, path in found.items() if path is not None}

    def imports(self, module: str) -> tuple[Import, ...]:
        """The imports of a module in these packages."""
        path = self.locate(module)
        return read_or_empty(path, module).imports if path is not None else ()

    def target(self, imported: Import) -> str | None:
        """The module in these packages that an import leads to, or None if it leads elsewhere."""
        if imported.name is not None:
            inner = f"{imported.module}.{imported.name}"
            if self.locate(inner) is not None:
                return inner
            path = self.locate(imported.module)
            if path is not None and imported.name in (public := read_or_empty(path, imported.module).public):
                return public[imported.name]
        return imported.module if self.locate(imported.module) is not None else None

    def _look_up(self, module: str) -> Path | None:
        inside = [one for one in self.packages if module == one.name or module.startswith(f"{one.name}.")]
        if not inside:
            return None
        package = max(inside, key=lambda one: len(one.name))
        parts = module[len(package.name) + 1 :].split(".") if module != package.name else []
        for root in package.roots:
            folder = root.joinpath(*parts)
            file = folder if not parts else folder.with_name(f"{folder.name}.py")
            for path in (folder / "__init__.py", file):
                if path.is_file():
                    return path
        return None


def parents(module: str) -> list[str]:
    """The packages that a module lies in, outermost first."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def read_source(path: Path, module: str) -> Source:
    """What a file imports, read under the name of its module.

    Raises:
        SyntaxError, UnicodeDecodeError: it is not Python.
    """
    return once_per_version(
        path, f"source {module}", lambda: _parse(path.read_bytes(), module, path.name == "__init__.py")
    )


def read_or_empty(path: Path, module: str) -> Source:
    """What a file imports; nothing where it is not Python, since importing it tells what is wrong."""
    try:
        return read_source(path, module)
    except (SyntaxError, ValueError, RecursionError, OSError):
        return Source((), (), {})


_REMEMBERED: dict[tuple[str, str], tuple[tuple[int, int], Any]] = {}


def once_per_version(path: Path, what: str, read: Callable[[], T]) -> T:
    """What ``read`` answers about a file, asked again in this process only when its size or time has changed."""
    status = path.stat()
    version = (status.st_size, status.st_mtime_ns)
    known = _REMEMBERED.get((str(path), what))
    if known is not None and known[0] == version:
        return known[1]
    answer = read()
    if time.time() - status.st_mtime > _JUST_CHANGED_S:
        _REMEMBERED[str(path), what] = (version, answer)
    return answer


def parse(content: bytes) -> ast.Module:
    """The syntax tree of Python source. What it warns of, such as a backslash too few, is for its author."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(content)


@functools.lru_cache(maxsize=4096)
def _parse(content: bytes, module: str, is_package: bool) -> Source:
    tree = parse(content)
    package = module if is_package else module.rpartition(".")[0]
    imports: list[Import] = []
    classes = []
    public = {}
    for node in _statements(tree.body):
        if isinstance(node, ast.Import):
            imports += [
                Import(one.name, None, one.asname or one.name.partition(".")[0], node.lineno) for one in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(package, node)
            imports += [Import(origin, one.name, one.asname or one.name, node.lineno) for one in node.names]
        elif isinstance(node, ast.ClassDef):
            classes.append((node.name, tuple(dotted(base) for base in node.bases)))
        elif is_package and isinstance(node, ast.Assign) and dotted(node.targets[0]) == "_PUBLIC":
            public = ast.literal_eval(node.value)
    imports += _used_lazily(tree, imports)
    return Source(tuple(imports), tuple(classes), public)


def _absolute(package: str, node: ast.ImportFrom) -> str:
    """The module that a ``from ... import`` names, dots resolved."""
    base = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
    return ".".join([*base, *([node.module] if node.module else [])])


def _used_lazily(tree: ast.Module, imports: Sequence[Import]) -> Iterator[Import]:
    """``bench.score`` after ``import bench``: the same as ``from bench import score``."""
    modules = {one.bound: one.module for one in imports if one.name is None and "." not in one.module}
    if "bench" in modules.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and modules.get(dotted(node.value)) == "bench":
                yield Import("bench", node.attr, "", node.lineno)


def _statements(body: Iterable[Any]) -> Iterator[Any]:
    """All statements, inner ones too, but for those that only a type checker sees."""
    for node in body:
        yield node
        only_types = isinstance(node, ast.If) and dotted(node.test).rpartition(".")[2] == "TYPE_CHECKING"
        for name in ("orelse",) if only_types else ("body", "handlers", "orelse", "finalbody", "cases"):
            yield from _statements(getattr(node, name, ()))


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a name or an attribute, the subscript of a generic aside; empty for anything else."""
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
