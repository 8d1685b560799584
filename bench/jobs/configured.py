"""Approaches as they were asked for: which plug-ins, and each one's resolved configuration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeAlias

from bench import plugins
from bench.errors import UsageError
from bench.jobs import config as configuration
from bench.jobs.named_files import require_named_files
from bench.jobs.request import Request

# approach, name of its configuration, configuration as canonical JSON
Configured: TypeAlias = "tuple[str, str, str]"


def resolve_approaches(request: Request, memory: Path | None) -> list[Configured]:
    """Everything that was asked for, each configuration checked before any work.

    Args:
        request: what was asked for.
        memory: a folder to remember configurations in, so that the next call need not import the approach; None to
            write nothing.

    Raises:
        UsageError: no approach is named, a name, preset, ablation or setting is wrong, or a setting names weights that
            do not exist.
    """
    known = plugins.available("approaches", request.plugins)
    if not any(name.strip() for name in request.approaches):
        raise UsageError(f"--approach names no approach. Available: {', '.join(known) or 'none'}.")
    for values, flag in ((request.overrides, "--set"), (request.ablations, "--ablation")):
        _check_prefixes(values, flag, request.approaches, known)
    resolved = []
    for name in request.approaches:
        plugin = plugins.find("approaches", name, request.plugins)
        overrides = _meant_for(name, request.overrides, request.approaches)
        for ablation in _meant_for(name, request.ablations, request.approaches) or (None,):
            options = {"preset": request.preset, "ablation": ablation, "overrides": overrides}
            preset, config = configuration.resolve_remembered(plugin, memory, **options)
            require_named_files(name, config)
            resolved.append((name, preset, config))
    return list(dict.fromkeys(resolved))


def _check_prefixes(values: Sequence[str], flag: str, approaches: Sequence[str], known: Collection[str]) -> None:
    """Raise UsageError for a value that is meant for an approach which does not run."""
    for value in values:
        prefix, colon, _ = value.partition("=")[0].partition(":")
        if colon and prefix not in approaches and prefix in known:
            raise UsageError(
                f"{flag} {value}: {prefix} is not among the approaches of this run ({', '.join(approaches)}). Add "
                f"--approach {prefix}, or omit this."
            )


def _meant_for(name: str, values: Sequence[str], approaches: Sequence[str]) -> tuple[str, ...]:
    """Those of ``value`` and ``approach:value`` that are for one approach, the prefix taken off."""
    meant = []
    for value in values:
        prefix, colon, rest = value.partition(":")
        if not colon or prefix not in approaches:
            meant.append(value)
        elif prefix == name:
            meant.append(rest)
    return tuple(meant)
