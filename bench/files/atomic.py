"""Writing so that a kill or a power cut at any moment leaves either the old file or the new one, never half of one.

What is fsynced, and in which order, is decided here for the whole project:

1. Data before name: a file is written under a temporary name beside its own, fsynced, and only then renamed.
2. Name before the next step: after the rename the folder is fsynced too, where the system can (not on Windows).
3. A folder that counts as a whole: its files first, then its ``checksums.json``, then the rename of the folder.
4. What vouches for other files (``checksums.json``, ``fitted.json``, ``done``) is written after all of them.
5. ``done`` is written after everything else of a job; what a finished job no longer needs is removed after it.
6. Notes and logs are appended without fsync until a file of rule 4 follows: a kill loses none, a power cut may.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files.full import has_no_inodes, lacks_temporary_folder, temporary_folder
from bench.files.in_place import is_written_in_place, written_place
from bench.files.mounts import mount_point
from bench.files.names import shortened
from bench.files.regular import read_bytes, refuse_link

# What the system's error means and what helps against it; `{mount}` is where the file system is mounted.
_CAUSES = {
    errno.ENOSPC: "The file system at {mount} is full. Free some space there or choose another place.",
    errno.EROFS: "The file system at {mount} is read-only. Choose another place, or mount it with the right to write.",
    errno.EFBIG: "The file system at {mount} or `ulimit -f` does not allow files of this size. Raise the limit or "
    "choose another place.",
    errno.ENAMETOOLONG: "The file system at {mount} allows no name of this length. Choose a place with a shorter path.",
    errno.EIO: "The disk or the connection to {mount} has a fault. Check it or choose another place.",
}
_CAUSES[getattr(errno, "EDQUOT", -1)] = (
    "Your disk quota on the file system at {mount} is used up. Delete files of yours there, ask for a larger quota, or "
    "choose another place."
)
KNOWN_CAUSES = frozenset(_CAUSES)
_OTHER = "The file system at {mount} refuses it. Choose another place."
_NO_INODES = "The file system at {mount} holds as many files as it can. Delete some there or choose another place."
# Some network and FUSE file systems do not fsync folders, and say so in one of these ways.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM)


class DamagedError(BenchError):
    """A file is not what was written.

    Attributes:
        path: which file.
    """

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a full or read-only disk or a missing right into an error with the cure.

    Raises:
        BenchError: instead of an OSError; it names the file, the mount point of its file system and what helps.
    """
    try:
        yield
    except OSError as error:
        raise explanation(error, path) from error


def explanation(error: OSError, path: Path) -> BenchError:
    """The error with the cure for what the operating system says of writing a path."""
    if isinstance(error, PermissionError):
        where = error.filename or path
        return BenchError(
            f"no right to write {where} (file system at {mount_point(path)}). Choose another place or mend its rights."
        )
    if lacks_temporary_folder(error):
        places = str(error.strerror).rpartition("[")[2].rstrip("]")
        return BenchError(
            f"no folder for temporary files can be written ({places}). Free some space there, or name another with the "
            "environment variable TMPDIR."
        )
    cure = _CAUSES.get(error.errno or 0, _OTHER)
    if path == temporary_folder():
        cure += " The environment variable TMPDIR names another folder for temporary files."
    if error.errno == errno.ENOSPC and has_no_inodes(mount_point(path)):
        cure = _NO_INODES
    return BenchError(f"cannot write {path}: {error.strerror or error}. {cure.format(mount=mount_point(path))}")


@contextmanager
def written_whole(path: Path, *, named_by_user: bool = False) -> Iterator[Path]:
    """A temporary file beside ``path`` to write to: synced and given the name at the end, removed on an error.

    Its name cannot be guessed, and no link is written through.

    Args:
        path: the file.
        named_by_user: the user named this very file, so it may be any: a device or a pipe is not replaced, what was
            written is copied into it at the end; a symbolic link stays, and the file that it leads to is written.

    Raises:
        NotAFileError: there is a link or no regular file, and ``named_by_user`` is not set.
        BenchError: the file system refuses; see `explained`.
    """
    if named_by_user:
        if is_written_in_place(path):
            with _copied_into(path) as temporary:
                yield temporary
            return
        path = written_place(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_link(path)
        temporary = temporary_beside(path)
        try:
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def temporary_beside(path: Path) -> Path:
    """A new empty file in the same folder, whose name cannot be guessed and begins with a dot."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{shortened(path.name)}.", suffix=".tmp")
    os.close(handle)
    os.chmod(name, 0o666 & ~_UMASK)
    return Path(name)


@contextmanager
def _copied_into(path: Path) -> Iterator[Path]:
    """A temporary file whose contents go into what ``path`` is: a device or a pipe."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "output"
        with explained(temporary_folder()):
            temporary.touch()
            yield temporary
        try:
            # Appending, for what stands behind /dev/stdout may be a file that already holds something.
            with temporary.open("rb") as source, open(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as target:
                shutil.copyfileobj(source, target)
        except BrokenPipeError:  # the reader went away: no error of ours
            raise
        except OSError as error:
            raise BenchError(
                f"cannot write to {path}: {error.strerror or error}. It is no regular file, so it is written to "
                "directly. Name a file, or mend what it is."
            ) from error


def write_text(path: Path, text: str, *, named_by_user: bool = False) -> None:
    """Write a text file whole or not at all; see `written_whole`.

    A byte of a file name that is no UTF-8 becomes ``\\udcXX``, which JSON reads back as it was.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"), named_by_user=named_by_user)


def write_bytes(path: Path, content: bytes, *, named_by_user: bool = False) -> None:
    """Write a binary file whole or not at all; see `written_whole`."""
    with written_whole(path, named_by_user=named_by_user) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document whole or not at all."""
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The document, or None where there is no file.

    Raises:
        DamagedError: the file is not valid JSON.
        BenchError: it cannot be read.
    """
    try:
        return json.loads(read_bytes(path))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:  # wrong JSON, wrong UTF-8, numbers or nesting beyond reason
        raise DamagedError(f"{path} is damaged ({error}). Delete it; what it stood for is made anew.", path) from error
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}. Mend its rights or its disk.") from error


def rename(source: Path, target: Path) -> None:
    """Rename a file or a whole folder; the new name outlives a power cut."""
    with explained(target):
        os.rename(source, target)
        sync_folder(target.parent)
        if source.parent != target.parent:
            sync_folder(source.parent)


def sync(path: Path) -> None:
    """Wait until the contents of a file are on the disk."""
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    if os.name == "nt":
        return
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()  # read once at import: reading it changes it for a moment, for every thread
