"""JSON documents of the cache that carry their own hash, so that a flipped byte is seen when they are read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from bench.files.atomic import temporary_beside

_SEAL = '{"sha256": "'
_HEX = 64


def sealed(text: str) -> str:
    """The text of a JSON object with its sha256 as first key."""
    return f'{_SEAL}{_digest(text)}", {text[1:]}'


def write_sealed(path: Path, text: str) -> None:
    """Write the text of a JSON object, whole or not at all, with its sha256 as first key."""
    temporary = temporary_beside(path)
    try:
        temporary.write_text(sealed(text), encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_sealed(path: Path) -> dict[str, Any] | None:
    """The object without its seal; None if there is none, or it is not what was written.

    An object without a seal, as earlier versions wrote it, is read as it is.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith(_SEAL):
            start = len(_SEAL)
            digest, text = text[start : start + _HEX], "{" + text[start + _HEX + 3 :]
            if digest != _digest(text):
                return None
        found = json.loads(text)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
