"""Files that a configuration names, such as local weights: that they exist is checked before data are touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UsageError

WEIGHTS = (".bin", ".ckpt", ".npy", ".npz", ".onnx", ".pt", ".pth", ".safetensors")
PRETRAINED = "pretrained"
"""A setting of this name is false, true, or the path of a weights file (`bench.training.backbones.Pretrained`)."""


def require_named_files(approach: str, config: str) -> None:
    """Raise UsageError for the first setting that names a file of weights which does not exist.

    Args:
        approach: the approach's name, for the message.
        config: its resolved configuration as JSON.
    """
    for key, value in _strings(json.loads(config)):
        is_path = key.rpartition(".")[2] == PRETRAINED or value.lower().endswith(WEIGHTS)
        if is_path and not _is_file(value):
            what = "is a folder" if Path(value).is_dir() else "does not exist"
            raise UsageError(
                f"setting {key} of {approach} names the file {value!r}, which {what} (looked for in {Path.cwd()}). "
                f"Give the path of a weights file: --set {approach}:{key}=PATH."
            )


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string below a value, with its key such as ``severity.pretrained``."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)


def _is_file(value: str) -> bool:
    try:
        return Path(value).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # a name too long; no such user; a zero byte
        return False
