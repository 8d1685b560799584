"""Writing so that a kill at any moment leaves either the old file or the new one, never half of one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a full disk or a missing right into an error that names the cure."""
    try:
        yield
    except PermissionError as error:
        raise BenchError(
            f"no right to write {error.filename or path}. Choose another place or mend its rights."
        ) from error
    except OSError as error:
        raise BenchError(
            f"cannot write {path}: {error.strerror or error}. Free some space or choose another place."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, on the disk before it takes the name."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file whole or not at all, on the disk before it takes the name."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document whole or not at all."""
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The document, or None where there is no file. A damaged file is an error that says to delete it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} is damaged ({error}). Delete it; what it stood for is made anew.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
