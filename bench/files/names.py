"""Names that become files and folders: one part of a path each, whoever wrote them down."""

from __future__ import annotations

import hashlib
import os

from bench.errors import UsageError

# File systems allow 255 bytes for most; what is put before and behind a name needs some of them.
MOST_BYTES = 200


def plain_name(name: str) -> str:
    """The name, if it is one of a single file or folder.

    Raises:
        UsageError: it is empty or leads to another folder.
    """
    separators = ("/", "\\", "\0")
    if name in ("", ".", "..") or any(one in name for one in separators):
        raise UsageError(f"{name!r} cannot name a folder: use one name without slashes.")
    return name


def shortened(name: str, most: int = MOST_BYTES) -> str:
    """The name, or one of at most so many bytes that begins like it and ends in a hash of the whole."""
    content = os.fsencode(name)
    if len(content) <= most:
        return name
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{content[: most - 13].decode('utf-8', 'ignore')}-{digest}"
