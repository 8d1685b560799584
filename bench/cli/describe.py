"""What ``bench list APPROACH`` shows: presets with what they take, ablations, and every setting."""

from __future__ import annotations

import inspect
import json
import textwrap
import tomllib
from pathlib import Path
from typing import Any

from bench.jobs.config import DEFAULT_PRESET, ablations, presets, resolve
from bench.jobs.expected import Cost, measured_costs, packaged_costs
from bench.jobs.settings import settings_of
from bench.plugins import Plugin, load_plugin

_INDENT = "    "
_MINUTE_S = 60.0


def describe(plugin: Plugin, store: Path) -> dict[str, Any]:
    """All about an approach, as the ``--json`` document has it.

    Args:
        plugin: the approach.
        store: where runs may have measured its presets.
    """
    cls = load_plugin(plugin)
    files = presets(plugin)
    costs = [*measured_costs(plugin.name, store), *packaged_costs(plugin)]
    shown = DEFAULT_PRESET if DEFAULT_PRESET in files else next(iter(files), None)
    values = json.loads(resolve(plugin, cls.Config, preset=shown)[1]) if shown else {}
    names = list(files) or ["default"]
    return {
        "name": plugin.name,
        "about": (inspect.getdoc(cls) or "").partition("\n")[0],
        "presets": [
            {
                "name": name,
                "about": _comment(files[name]) if name in files else "",
                "costs": [_cost(cost) for cost in costs if cost.preset == name],
            }
            for name in names
        ],
        "ablations": [
            {"name": name, "about": _comment(path), "changes": _leaves(tomllib.loads(path.read_text("utf-8")))}
            for name, path in ablations(plugin).items()
        ],
        "shown_preset": shown,
        "settings": [
            {
                "key": one.key, "type": one.type, "required": one.required, "default": one.default,
                "in_shown_preset": _value_at(values, one.key), "help": one.help,
            }
            for one in settings_of(cls.Config)
        ],
    }  # fmt: skip


def lines_of(document: dict[str, Any], width: int) -> list[str]:
    """The same as text."""
    name = document["name"]
    lines = [*textwrap.wrap(f"{name}: {document['about']}", width), "", "presets"]
    for preset in document["presets"]:
        told = [_cost_text(cost) for cost in preset["costs"]] or ["time, memory and disk unknown: not measured yet"]
        lines += _wrapped(f"{preset['name']}: {preset['about']}".rstrip(": "), width)
        lines += [line for one in told for line in _wrapped(one, width, _INDENT * 2)]
    if document["ablations"]:
        lines += ["", f"ablations (bench run --approach {name} --ablation NAME)"]
        for one in document["ablations"]:
            changes = ", ".join(f"{key} = {_text(value)}" for key, value in one["changes"].items())
            lines += _wrapped(f"{one['name']}: {one['about'] or changes}", width)
    shown = document["shown_preset"]
    lines += ["", f"settings (--set KEY=VALUE){'' if document['settings'] else ': none'}"]
    for one in document["settings"]:
        value = "required" if one["required"] else f"default {_text(one['default'])}"
        in_preset = one["in_shown_preset"]
        if shown and (one["required"] or in_preset != one["default"]):
            value += f", {shown} {_text(in_preset)}"
        lines += _wrapped(f"{one['key']} ({one['type']}): {value}", width)
        lines += _wrapped(one["help"], width, _INDENT * 2) if one["help"] else []
    return lines


def _cost(cost: Cost) -> dict[str, Any]:
    return {name: getattr(cost, name) for name in Cost.__dataclass_fields__}


def _cost_text(cost: dict[str, Any]) -> str:
    fit, predict, memory, disk = (cost[name] for name in ("fit_s", "predict_s", "memory_gb", "disk_mb"))
    parts = [
        f"training {_duration(fit)} on {cost['training_studies']} studies" if fit is not None else "training unknown",
        f"predicting {predict:.2g} s per study" if predict is not None else "predicting unknown",
        f"memory {memory:.1f} GB" if memory is not None else "memory unknown",
        f"disk {disk:.1f} MB" if disk is not None else "disk unknown",
    ]
    return f"{', '.join(parts)} per job ({cost['where']})"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.1f} min"


def _wrapped(text: str, width: int, indent: str = _INDENT) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def _comment(path: Path) -> str:
    """The comment that a file begins with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def _leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a file by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
    return found


def _value_at(values: Any, key: str) -> Any:
    """The value at a dotted key; None where a part of it is switched off."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
