"""The source of a class that was defined in a notebook or at a prompt, with all that it uses of the code around it.

A result of such a class is reused only if this source is the same. It is the text of the class, of the functions and
classes of the session that it names, and the values of the constants that it names. Where any of it cannot be read, an
array for example, the source counts as another one at each run.
"""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import sys
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.plugins import Live

_PLAIN = (bool, int, float, complex, str, bytes, type(None), Path)


class UnreadableError(Exception):
    """A part of the source cannot be read; the message says which."""


def live_source(cls: type) -> tuple[Live, str]:
    """A class with its source, and why that cannot be read; empty if it can."""
    reader = _Reader()
    try:
        reader.read(cls)
        return Live(cls, dict(reader.texts), tuple(sorted(reader.reaches))), ""
    except UnreadableError as error:
        return Live(cls, {"unreadable": uuid.uuid4().hex}, tuple(sorted(reader.reaches))), str(error)


class _Reader:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.reaches: set[str] = set()
        self._seen: set[int] = set()

    def read(self, value: Any, name: str = "") -> None:
        """Add what a value of the session is made of."""
        if id(value) in self._seen and not isinstance(value, _PLAIN):
            return
        self._seen.add(id(value))
        value = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) else value
        if isinstance(value, types.ModuleType):
            self._module(value.__name__, value)
        elif isinstance(value, (type, types.FunctionType)):
            self._code(value)
        elif _is_plain(value):
            value = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
            self.texts[f"value {name}"] = repr(value)
        elif not _is_of_library(value):
            raise UnreadableError(f"{name} is a {type(value).__name__}, which has no source")

    def _module(self, name: str, module: types.ModuleType | None) -> None:
        if name == "bench" or name.startswith("bench."):
            self.reaches.add(name)
        elif module is not None and _is_own(module):
            self.texts[f"module {name}"] = Path(str(module.__file__)).read_text(encoding="utf-8")

    def _code(self, value: Any) -> None:
        name = _module_of(value)
        module = sys.modules.get(name)
        if name.startswith("bench."):
            self.reaches.add(name)
            return
        if name != "__main__" and not (module is not None and _is_own(module)):
            return  # of a library, whose versions are recorded
        if isinstance(value, type):
            self._class(value)
        else:
            self.texts[f"function {value.__qualname__}"] = _text_of_function(value)
            self._used_by(value)

    def _class(self, cls: type) -> None:
        own = [member for member in map(_function, vars(cls).values()) if member is not None]
        if issubclass(cls, BaseModel):
            self.texts[f"settings {cls.__qualname__}"] = repr(cls.model_json_schema())
        else:
            self.texts[f"class {cls.__qualname__}"] = _text_of_class(cls, own)
        for member in own:
            self.read(member)
        for base in (*cls.__bases__, *(one for one in vars(cls).values() if isinstance(one, type))):
            self.read(base)

    def _used_by(self, function: types.FunctionType) -> None:
        for name in dict.fromkeys(_names(function.__code__)):
            if name in function.__globals__:
                self.read(function.__globals__[name], name)
            elif name.startswith("bench.") and name in sys.modules:  # imported within the function
                self.reaches.add(name)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                self.read(cell.cell_contents, name)


def _names(code: types.CodeType) -> Iterator[str]:
    """Names of globals and of modules imported within; not those of attributes, which may be called alike."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "IMPORT_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _function(member: Any) -> types.FunctionType | None:
    member = getattr(member, "__func__", getattr(member, "fget", member))
    return member if isinstance(member, types.FunctionType) else None


def _is_of_library(value: Any) -> bool:
    """Whether something that can be called, such as a ufunc, belongs to a library, whose version is recorded."""
    module = sys.modules.get(_module_of(value).partition(".")[0] or _module_of(type(value)).partition(".")[0])
    return callable(value) and module is not None and module.__name__ != "__main__" and not _is_own(module)


def _module_of(value: Any) -> str:
    return str(getattr(value, "__module__", "") or "")


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _is_own(module: types.ModuleType) -> bool:
    """Whether a module is the user's own: a file outside of the library folders."""
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    path = Path(file)
    return path.suffix == ".py" and not {"site-packages", "dist-packages"} & set(path.parts) and not _is_standard(path)


def _is_standard(path: Path) -> bool:
    return path.is_relative_to(Path(inspect.__file__).parent)


def _text_of_function(function: types.FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise UnreadableError(f"the source of {function.__qualname__} cannot be read") from error


def _text_of_class(cls: type, functions: list[types.FunctionType]) -> str:
    """The text of a class: of the cell or file that its first function lies in, since a notebook has no file."""
    for function in functions:
        lines = linecache.getlines(function.__code__.co_filename)
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:
            continue
        for node in (one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == cls.__name__):
            if node.lineno <= function.__code__.co_firstlineno <= (node.end_lineno or 0):
                return "".join(lines[node.lineno - 1 : node.end_lineno])
    raise UnreadableError(f"the source of class {cls.__qualname__} cannot be read")
