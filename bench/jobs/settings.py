"""The settings of an approach, read from its `Config`: key, type, default, help; and what a wrong key meant."""

from __future__ import annotations

import difflib
import inspect
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

_NEAREST = 3
# `name:` or `name, other:` at the left edge of an "Attributes:" section
_ENTRY = re.compile(r"^(\w+(?:, \w+)*):\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that ``--set`` can override.

    Attributes:
        key: with the names of its parents, such as ``severity.schedule.epochs``.
        type: in words of Python, such as ``float | None``.
        required: whether it has no default, so that every preset gives it.
        default: None also where it is required.
        help: from the ``Attributes:`` of the class, or the field's own description; may be empty.
    """

    key: str
    type: str
    required: bool
    default: Any
    help: str


def settings_of(model: type[BaseModel], prefix: str = "") -> list[Setting]:
    """Every setting of a configuration, nested ones by their dotted keys, in the order of the source."""
    found = []
    texts = _attribute_texts(model)
    for name, field in model.model_fields.items():
        nested = _model_in(field.annotation)
        if nested is not None:
            found += settings_of(nested, f"{prefix}{name}.")
            continue
        default = None if field.is_required() else _plain(field)
        text = field.description or texts.get(name, "")
        found.append(Setting(prefix + name, _type_text(field.annotation), field.is_required(), default, text))
    return found


def nearest(key: str, config_class: type[BaseModel], approach: str) -> str:
    """Sentences that name the settings most like a key, and where all are listed."""
    keys = [setting.key for setting in settings_of(config_class)]
    if not keys:
        return "It has none at all."
    first, *others = _closest(key, keys)
    near = f" Also near: {', '.join(others)}." if others else ""
    more = "" if len(keys) <= _NEAREST else f" `bench list {approach}` lists all {len(keys)}."
    return f"Did you mean {first!r}?{near}{more}"


def explain(error: ValidationError, config_class: type[BaseModel], approach: str) -> str:
    """What is wrong with a configuration, one line per setting, each with the cure."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{approach} has no setting {key!r}. {nearest(key, config_class, approach)}")
        elif problem["type"] == "missing":
            lines.append(f"{approach}: {key} is required, and neither preset nor --set gives it.")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            end = "" if message.endswith((".", "?")) else "."
            lines.append(f"{approach}: {key or 'the configuration'} = {_short(problem['input'])}: {message}{end}")
    return "\n".join(lines)


def _closest(key: str, keys: Sequence[str]) -> list[str]:
    """The keys most like one, the nearest first: by the last word, which carries the name, then as a whole."""

    def likeness(one: str, other: str) -> float:
        return difflib.SequenceMatcher(None, one, other).ratio()

    last = key.rpartition(".")[2]

    def rank(other: str) -> float:
        return 2 * likeness(last, other.rpartition(".")[2]) + likeness(key, other)

    return sorted(keys, key=rank, reverse=True)[:_NEAREST]


def _plain(field: FieldInfo) -> Any:
    """A default as a configuration file would hold it."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        return [one.model_dump(mode="json") if isinstance(one, BaseModel) else one for one in default]
    return default.model_dump(mode="json") if isinstance(default, BaseModel) else default


def _attribute_texts(model: type[BaseModel]) -> dict[str, str]:
    """Name of an attribute -> its text, from the docstrings of a class and its bases."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        _, _, section = (inspect.cleandoc(cls.__doc__ or "")).partition("Attributes:\n")
        names: list[str] = []
        for line in section.splitlines():
            if line.strip() and not line.startswith("    "):
                break  # the next section
            entry = _ENTRY.match(line[4:])
            if entry:
                names = entry.group(1).split(", ")
                texts |= dict.fromkeys(names, entry.group(2))
            else:
                texts |= {name: f"{texts[name]} {line.strip()}".strip() for name in names}
    return texts


def _type_text(annotation: Any) -> str:
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_text(arguments[0])
    if origin is typing.Literal:
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_text(part) for part in arguments)
    if origin is not None:
        inside = ", ".join("..." if part is ... else _type_text(part) for part in arguments)
        return f"{origin.__name__}[{inside}]"
    return str(annotation).removeprefix("typing.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
