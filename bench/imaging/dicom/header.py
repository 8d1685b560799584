"""One DICOM file: its header, frame by frame, for files of any vendor.

Multi-frame objects are recognised by functional groups or NumberOfFrames, never by SOP class: the competition's files
say Enhanced MR and are plain single slices with classic top-level tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isnan
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from bench.imaging.dicom import tags
from bench.imaging.dicom.objects import without_image
from bench.imaging.dicom.parsing import open_file, words_of
from bench.imaging.faults import UnreadableImage
from bench.imaging.geometry import FloatArray

# Beyond this, a declared matrix is damage, not an MR slice.
MAX_SIDE_PX = 16384
MAX_FRAMES = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image plane of a file; None or NaN for what the file does not give.

    Attributes:
        rows: pixel rows.
        columns: pixel columns.
        position: (3,) ImagePositionPatient in mm, or None.
        orientation: (2, 3) unit vectors along which columns and rows grow, or None.
        spacing: (2,) mm between columns and between rows, or None.
        thickness_mm: SliceThickness, or NaN.
        slope: RescaleSlope.
        intercept: RescaleIntercept.
        echo_time_ms: EchoTime, or NaN.
        unusable: notes on elements of its geometry that are there, but make no sense.
    """

    rows: int
    columns: int
    position: FloatArray | None
    orientation: FloatArray | None
    spacing: FloatArray | None
    thickness_mm: float
    slope: float
    intercept: float
    echo_time_ms: float
    unusable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The header of one file.

    Attributes:
        frames: its image planes; one, save in multi-frame objects.
        instance_number: InstanceNumber, or None.
        transfer_syntax: UID of the encoding.
        multi_frame: whether it is a multi-frame object, even of one frame.
        study_uid: StudyInstanceUID, or "".
        series_uid: SeriesInstanceUID, or "".
        names: what may name its kind (`tags.NAMES`), in lower case; see `bench.imaging.kinds`.
        repetition_time_ms: RepetitionTime, or NaN.
        inversion_time_ms: InversionTime, or NaN.
        assumptions: notes on irregular values and how they were read.
    """

    frames: tuple[Frame, ...]
    instance_number: int | None
    transfer_syntax: str
    multi_frame: bool
    study_uid: str
    series_uid: str
    names: str
    repetition_time_ms: float
    inversion_time_ms: float
    assumptions: tuple[str, ...]


def read_header(path: Path) -> Header:
    """The header of a file; its pixels are not read.

    Raises:
        UnreadableImage: if it is no usable DICOM image; the message says why.
    """
    return header_of(open_file(path, pixels=False))


def header_of(ds: Dataset, *, geometry_alone: bool = False) -> Header:
    """The header of a parsed file; with ``geometry_alone`` without sequence times and identifiers.

    Raises:
        NoImage: if it is an object of another kind.
        UnreadableImage: if it lacks its image, or declares impossible sizes.
    """
    try:
        return _header_of(ds, geometry_alone)
    except UnreadableImage:
        raise
    except Exception as error:  # damage makes the parser raise nearly anything
        raise UnreadableImage(f"is damaged: its header cannot be parsed ({words_of(error)})") from None


def _header_of(ds: Dataset, geometry_alone: bool) -> Header:
    if tags.ROWS not in ds or tags.COLUMNS not in ds:
        raise without_image(ds, "has no image: it is cut short, damaged, or not an image object")
    notes: list[str] = []
    syntax = getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", None)
    frames = _frames_of(ds, notes)
    whole = not geometry_alone
    return Header(
        frames=frames,
        instance_number=tags.integer(ds, tags.INSTANCE_NUMBER),
        transfer_syntax=str(syntax or ""),
        multi_frame=len(frames) > 1 or tags.PER_FRAME_GROUPS in ds,
        study_uid=tags.text(ds, tags.STUDY_UID) if whole else "",
        series_uid=tags.text(ds, tags.SERIES_UID) if whole else "",
        names=_names(ds),
        repetition_time_ms=tags.number(ds, tags.REPETITION_TIME, notes) if whole else float("nan"),
        inversion_time_ms=tags.number(ds, tags.INVERSION_TIME, notes) if whole else float("nan"),
        assumptions=tuple(notes),
    )


def _names(ds: Dataset) -> str:
    """The names of series and sequence, and ``diffusion`` where the file has a b-value or a direction of it."""
    words = [tags.text(ds, tag) for tag in tags.NAMES]
    diffusion = any(tags.text(ds, tag).lower() not in ("", "none", "0", "0.0") for tag in tags.DIFFUSION)
    return " ".join([*words, *(["diffusion"] if diffusion else [])]).lower()


def _frames_of(ds: Dataset, notes: list[str]) -> tuple[Frame, ...]:
    rows, columns = tags.integer(ds, tags.ROWS) or 0, tags.integer(ds, tags.COLUMNS) or 0
    if not (0 < rows <= MAX_SIDE_PX and 0 < columns <= MAX_SIDE_PX):
        raise UnreadableImage(f"declares a matrix of {rows} x {columns} pixels")
    declared = tags.integer(ds, tags.NUMBER_OF_FRAMES)
    count = 1 if declared is None else declared
    if not 0 < count <= MAX_FRAMES:
        raise UnreadableImage(f"declares {count} frames")
    groups = _sequence(ds, tags.PER_FRAME_GROUPS)
    if groups and len(groups) != count:
        raise UnreadableImage(f"declares {count} frames but describes {len(groups)}")
    if count > 1 and not groups:
        raise UnreadableImage(f"holds {count} frames without positions (no per-frame functional groups)")
    shared = _sequence(ds, tags.SHARED_GROUPS)[:1]
    if not groups:
        return (_frame([*shared, ds], rows, columns, notes),)
    return tuple(_frame([group, *shared, ds], rows, columns, notes) for group in groups)


def _sequence(ds: Dataset, tag: BaseTag) -> list[Dataset]:
    return list(ds[tag].value or ()) if tag in ds else []


# Where the functional groups keep what a classic file has at its top level (DICOM PS3.3, C.7.6.16.2).
_MACROS = {
    tags.POSITION: tags.PLANE_POSITION,
    tags.ORIENTATION: tags.PLANE_ORIENTATION,
    tags.SPACING: tags.PIXEL_MEASURES,
    tags.THICKNESS: tags.PIXEL_MEASURES,
    tags.SLOPE: tags.VALUE_TRANSFORMATION,
    tags.INTERCEPT: tags.VALUE_TRANSFORMATION,
    tags.EFFECTIVE_ECHO_TIME: tags.ECHO,
}


def _frame(sources: Sequence[Dataset], rows: int, columns: int, notes: list[str]) -> Frame:
    """One frame from the data sets that may describe it, the nearest first: its own group, the shared one, the file."""

    def find(tag: BaseTag) -> Dataset:
        for source in sources[:-1]:
            if tag in source:
                return source
            macro = source.get(_MACROS[tag]) if tag in _MACROS else None
            if macro is not None and macro.value and tag in macro.value[0]:
                return macro.value[0]
        return sources[-1]

    def number(tag: BaseTag) -> float:
        return tags.number(find(tag), tag, notes)

    unusable: list[str] = []
    spacing = tags.numbers(find(tags.SPACING), tags.SPACING, 2, unusable)
    if spacing is not None and min(spacing) <= 0:
        unusable.append(f"PixelSpacing {spacing} is not positive: not used")
        spacing = None
    position = tags.numbers(find(tags.POSITION), tags.POSITION, 3, unusable)
    orientation = _orientation(tags.numbers(find(tags.ORIENTATION), tags.ORIENTATION, 6, unusable), unusable)
    notes += unusable
    slope, intercept, echo = number(tags.SLOPE), number(tags.INTERCEPT), number(tags.ECHO_TIME)
    if slope == 0:
        notes.append("RescaleSlope is 0: read as 1")
    return Frame(
        rows=rows,
        columns=columns,
        position=None if position is None else np.array(position),
        orientation=orientation,
        spacing=None if spacing is None else np.array(spacing[::-1]),  # DICOM has the distance between rows first
        thickness_mm=number(tags.THICKNESS),
        slope=1.0 if isnan(slope) or slope == 0 else slope,
        intercept=0.0 if isnan(intercept) else intercept,
        echo_time_ms=number(tags.EFFECTIVE_ECHO_TIME) if isnan(echo) else echo,
        unusable=tuple(unusable),
    )


def _orientation(values: Sequence[float] | None, notes: list[str]) -> FloatArray | None:
    """(2, 3) unit vectors, or None where the tag is missing or is not a pair of perpendicular directions."""
    if values is None:
        return None
    axes = np.array(values).reshape(2, 3)
    lengths = [hypot(*values[:3]), hypot(*values[3:])]
    if any(abs(length - 1) > 0.05 for length in lengths) or abs(float(axes[0] @ axes[1])) > 0.01:
        notes.append(f"ImageOrientationPatient {values} is not a pair of perpendicular directions: not used")
        return None
    return axes / np.array(lengths)[:, None]
