"""Setting aside: what cannot be used any more is renamed, never deleted, so that nothing is lost by mistake."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from bench.files.atomic import explained, rename

REPLACED = "replaced"


def set_aside(path: Path, beside: Path | None = None) -> Path:
    """Move a file or a whole folder, in one rename, into a folder ``replaced/``.

    Args:
        path: what to move.
        beside: the folder that holds ``replaced/``; the one that holds ``path`` by default.
    Returns:
        Where it is now, such as ``replaced/20250131-235959-3f9a1c-checkpoint``.
    """
    replaced = (beside or path.parent) / REPLACED
    with explained(replaced):
        replaced.mkdir(parents=True, exist_ok=True)
    target = replaced / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}-{path.name}"
    rename(path, target)
    return target
