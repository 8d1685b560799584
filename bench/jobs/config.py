"""From preset and overrides to the one resolved configuration of a job."""

from __future__ import annotations

import hashlib
import json
import logging
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.errors import BenchError, UsageError, unknown
from bench.files.atomic import read_json, write_json
from bench.jobs.fingerprint import hash_files, plugin_parts, source_of
from bench.jobs.settings import explain, nearest
from bench.plugins import Plugin, load_plugin

DEFAULT_PRESET = "quick"
NO_PRESET = "default"
_log = logging.getLogger(__name__)


def presets(plugin: Plugin) -> dict[str, Path]:
    """The preset files beside an approach by name. A single-file approach has none: its defaults are all there is."""
    if not plugin.has_files:
        return {}
    return {path.stem: path for path in sorted(plugin.folder().glob("*.toml"))}


def ablations(plugin: Plugin) -> dict[str, Path]:
    """The ablation files of an approach by name: ``ablations/NAME.toml``, sets of overrides on a preset."""
    if not plugin.has_files:
        return {}
    return {path.stem: path for path in sorted((plugin.folder() / "ablations").glob("*.toml"))}


def resolve(
    plugin: Plugin,
    config_class: type[BaseModel],
    *,
    preset: str = DEFAULT_PRESET,
    ablation: str | None = None,
    overrides: Sequence[str] = (),
) -> tuple[str, str]:
    """The name under which a configuration is stored, and the configuration as canonical JSON.

    Args:
        plugin: the approach.
        config_class: its `Config`.
        preset: the file to start from. An approach without preset files has one configuration, called ``default``.
        ablation: a named set of overrides of the approach's own.
        overrides: ``key.subkey=value``, the value as TOML, or a bare string.

    Raises:
        UsageError: an unknown preset, ablation or key, or a value that does not fit.
    """
    files = presets(plugin)
    if not files:
        values = {}
    elif preset in files:
        values = _preset(files, preset)
    else:
        raise unknown(f"preset of {plugin.name}", preset, files)
    if ablation is not None:
        named = ablations(plugin)
        if ablation not in named:
            raise unknown(f"ablation of {plugin.name}", ablation, named)
        _merge(values, _read(named[ablation]))
    for override in overrides:
        _override(values, override, config_class, plugin.name)
    try:
        config = config_class.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error, config_class, plugin.name)) from error
    return _name(plugin, preset=preset, ablation=ablation), canonical(config.model_dump(mode="json"))


def resolve_remembered(plugin: Plugin, memory: Path | None, **options: Any) -> tuple[str, str]:
    """What `resolve` answers, without importing the approach (and with it torch) if it was asked the same before.

    Args:
        plugin: the approach.
        memory: a folder to remember answers in, by everything that they depend on; None to write nothing.
        options: as for `resolve`.
    """
    if memory is None or plugin.live is not None:
        return resolve(plugin, load_plugin(plugin).Config, **options)
    files = [*presets(plugin).values(), *ablations(plugin).values()]
    depends_on = {
        "approach": [plugin.name, plugin_parts(plugin)],
        "resolving": source_of(__name__),
        "presets": hash_files(files),
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
    }
    path = memory / f"{hashlib.sha256(canonical(depends_on).encode()).hexdigest()[:32]}.json"
    name = _name(plugin, **options)
    config = _remembered(path, name)
    if config is None:
        name, config = resolve(plugin, load_plugin(plugin).Config, **options)
        try:
            write_json(path, {"schema_version": 2, "name": name, "config": config, "sha256": _sha256(name, config)})
        except BenchError as error:  # a cache that is read-only or full costs the import again, and no result
            _log.debug("the configuration is not remembered: %s", error)
    return name, config


def _remembered(path: Path, name: str) -> str | None:
    """The configuration in a file, if it is whole and of this name: both become part of a result and of its folder."""
    try:
        known = read_json(path)
    except BenchError:  # damaged, no file, or not to be read: the answer is found anew
        return None
    if not isinstance(known, dict) or known.get("name") != name or not isinstance(known.get("config"), str):
        return None
    config: str = known["config"]
    return config if known.get("sha256") == _sha256(name, config) else None


def _sha256(name: str, config: str) -> str:
    return hashlib.sha256(f"{name}\0{config}".encode("utf-8", "surrogateescape")).hexdigest()


def _name(plugin: Plugin, *, preset: str = DEFAULT_PRESET, ablation: str | None = None, **_: Any) -> str:
    """The name under which a configuration is stored."""
    start = preset if presets(plugin) else NO_PRESET
    return start if ablation is None else f"{start}-{ablation}"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal configurations give equal text, which is UTF-8 whatever is in it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # bytes of a path that are no UTF-8, as \udcXX


def _preset(files: Mapping[str, Path], name: str) -> dict[str, Any]:
    """A preset's values, on top of those of the preset that it ``extends``, if it does."""
    values = _read(files[name])
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if parent not in files or parent == name:
        raise unknown(f"preset, which {files[name].name} extends,", str(parent), set(files) - {name})
    extended = _preset({other: path for other, path in files.items() if other != name}, parent)
    _merge(extended, values)
    return extended


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}. Mend the file.") from error


def _merge(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _override(values: dict[str, Any], override: str, config_class: type[BaseModel], approach: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        if not config_class.model_fields:
            raise UsageError(f"--set {override}: {approach} has no settings. Omit it.")
        raise UsageError(f"--set {override}: write it as key=value. {nearest(key, config_class, approach)}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override}: {parent!r} is a single value and has no keys below it.")
    values[last] = value
