"""Whether a folder may be a data folder; a mistake by a level or two is recognised, and the right one named."""

from __future__ import annotations

from pathlib import Path

from bench.data.tables import LABELS, SERIES
from bench.errors import DataError
from bench.files.places import require_folder
from bench.imaging.layout import IMAGES

_LOOKED_AT = 100  # entries of a folder in which the data may lie


def check_folder(folder: Path) -> None:
    """Raise UsageError if the folder is not there or a file, DataError if it is empty or the data lie elsewhere.

    Data a level or two below or above it are found and named.
    """
    require_folder(folder, "", f"Name the folder that holds {LABELS} and {IMAGES}.")
    if not any(folder.iterdir()):
        raise DataError(f"the folder {folder} is empty. Pass --data the folder that holds {LABELS} and {IMAGES}.")
    if not _may_be_data(folder) and (meant := meant_folder(folder)) is not None:
        raise DataError(f"{folder} is not the folder of the data, but {meant} is: pass that one.")


def meant_folder(folder: Path) -> Path | None:
    """The folder in the competition's layout up to two levels below or above this one; None if it is unclear."""
    try:
        children = [path for path in sorted(folder.iterdir())[:_LOOKED_AT] if path.is_dir()]
        below = [path for path in children if _is_data(path)] or [
            path for child in children for path in sorted(child.iterdir())[:_LOOKED_AT] if _is_data(path)
        ]
    except OSError:
        return None
    if below:
        return below[0] if len(below) == 1 else None
    return next((path for path in list(folder.absolute().parents)[:2] if _is_data(path)), None)


def _may_be_data(folder: Path) -> bool:
    """Whether a folder holds anything of the layout, so that a message about what it lacks is right."""
    return any((folder / name).exists() for name in (IMAGES, LABELS, SERIES, f"{LABELS}.gz", f"{SERIES}.gz"))


def _is_data(folder: Path) -> bool:
    tables = any((folder / f"{SERIES}{ending}").is_file() for ending in ("", ".gz"))
    return tables and (folder / IMAGES).is_dir()
