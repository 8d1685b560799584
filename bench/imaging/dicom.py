"""One DICOM file: its header, frame by frame, whatever the vendor wrote.

Multi-frame objects are told by their functional groups or by NumberOfFrames, never by SOP class: the competition's
files say Enhanced MR and are plain single slices with classic top-level tags.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from bench.imaging.faults import UnreadableImage
from bench.imaging.geometry import FloatArray

# Beyond this, a declared matrix is damage, not an MR slice.
MAX_SIDE_PX = 16384
MAX_FRAMES = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image plane of a file, as far as the file tells.

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


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """What one file says of itself.

    Attributes:
        frames: its image planes; one, save in multi-frame objects.
        instance_number: InstanceNumber, or None.
        transfer_syntax: UID of the encoding.
        multi_frame: whether it is a multi-frame object, even of one frame.
        study_uid: StudyInstanceUID, or "".
        series_uid: SeriesInstanceUID, or "".
        names: SeriesDescription, ProtocolName, SequenceName and ImageType, in lower case, to tell the kind by.
        repetition_time_ms: RepetitionTime, or NaN.
        inversion_time_ms: InversionTime, or NaN.
        assumptions: what was odd and how it was read, in words.
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


def open_file(path: Path, *, pixels: bool = True) -> Dataset:
    """Parse a DICOM file, with or without its pixels.

    Raises:
        UnreadableImage: if the file cannot be opened, or is not DICOM.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except InvalidDicomError:
        raise UnreadableImage(_not_dicom(path)) from None
    except OSError as error:
        raise UnreadableImage(f"cannot be opened: {error.strerror or error}") from None
    except Exception as error:  # damage makes the parser raise nearly anything
        raise UnreadableImage(f"is damaged: its header cannot be parsed ({_words(error)})") from None


def header_of(ds: Dataset) -> Header:
    """What a parsed file says of itself.

    Raises:
        UnreadableImage: if it holds no image, or sizes that make no sense.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _header_of(ds)
    except UnreadableImage:
        raise
    except Exception as error:  # damage makes the parser raise nearly anything
        raise UnreadableImage(f"is damaged: its header cannot be parsed ({_words(error)})") from None


def _header_of(ds: Dataset) -> Header:
    if "Rows" not in ds or "Columns" not in ds:
        raise UnreadableImage("holds no image: Rows and Columns are missing")
    assumptions: list[str] = []
    syntax = getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", None)
    frames = _frames_of(ds, assumptions)
    return Header(
        frames=frames,
        instance_number=_integer(ds, "InstanceNumber"),
        transfer_syntax=str(syntax or ""),
        multi_frame=len(frames) > 1 or "PerFrameFunctionalGroupsSequence" in ds,
        study_uid=str(ds.get("StudyInstanceUID") or ""),
        series_uid=str(ds.get("SeriesInstanceUID") or ""),
        names=_names(ds),
        repetition_time_ms=_number(ds, "RepetitionTime", assumptions),
        inversion_time_ms=_number(ds, "InversionTime", assumptions),
        assumptions=tuple(assumptions),
    )


def _frames_of(ds: Dataset, assumptions: list[str]) -> tuple[Frame, ...]:
    rows, columns = _integer(ds, "Rows") or 0, _integer(ds, "Columns") or 0
    if not (0 < rows <= MAX_SIDE_PX and 0 < columns <= MAX_SIDE_PX):
        raise UnreadableImage(f"declares a matrix of {rows} x {columns} pixels")
    declared = _integer(ds, "NumberOfFrames")
    count = 1 if declared is None else declared
    groups = ds.get("PerFrameFunctionalGroupsSequence") or ()
    if not 0 < count <= MAX_FRAMES:
        raise UnreadableImage(f"declares {count} frames")
    if groups and len(groups) != count:
        raise UnreadableImage(f"declares {count} frames but describes {len(groups)}")
    if count > 1 and not groups:
        raise UnreadableImage(f"holds {count} frames without telling where each lies (no per-frame functional groups)")
    shared = next(iter(ds.get("SharedFunctionalGroupsSequence") or ()), None)
    sources = [(group, shared, ds) for group in groups] or [(None, shared, ds)]
    return tuple(_frame(source, rows, columns, assumptions) for source in sources)


# Where the functional groups keep what a classic file has at its top level (DICOM PS3.3, C.7.6.16.2).
_MACROS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "EffectiveEchoTime": "MREchoSequence",
}


def _frame(sources: tuple[Dataset | None, ...], rows: int, columns: int, assumptions: list[str]) -> Frame:
    def find(keyword: str) -> Dataset:
        """The first data set that has the tag: the frame's own group, the shared group, the file."""
        for source in sources:
            if source is None:
                continue
            if keyword in source:
                return source
            macro = source.get(_MACROS.get(keyword, keyword)) if keyword in _MACROS else None
            if macro and keyword in macro[0]:
                return macro[0]
        return sources[-1] or Dataset()

    spacing = _numbers(find("PixelSpacing"), "PixelSpacing", 2, assumptions)
    if spacing is not None and not (spacing > 0).all():
        assumptions.append(f"PixelSpacing {spacing.tolist()} is not positive: not used")
        spacing = None
    slope = _number(find("RescaleSlope"), "RescaleSlope", assumptions)
    intercept = _number(find("RescaleIntercept"), "RescaleIntercept", assumptions)
    echo = _number(find("EchoTime"), "EchoTime", assumptions)
    if np.isnan(echo):
        echo = _number(find("EffectiveEchoTime"), "EffectiveEchoTime", assumptions)
    if slope == 0:
        assumptions.append("RescaleSlope is 0: read as 1")
    return Frame(
        rows=rows,
        columns=columns,
        position=_numbers(find("ImagePositionPatient"), "ImagePositionPatient", 3, assumptions),
        orientation=_orientation(find("ImageOrientationPatient"), assumptions),
        spacing=None if spacing is None else spacing[::-1].copy(),  # DICOM has the distance between rows first
        thickness_mm=_number(find("SliceThickness"), "SliceThickness", assumptions),
        slope=1.0 if np.isnan(slope) or slope == 0 else slope,
        intercept=0.0 if np.isnan(intercept) else intercept,
        echo_time_ms=echo,
    )


def _orientation(ds: Dataset, assumptions: list[str]) -> FloatArray | None:
    """(2, 3) unit vectors, or None where the tag is missing or is no pair of directions at right angles."""
    values = _numbers(ds, "ImageOrientationPatient", 6, assumptions)
    if values is None:
        return None
    axes = values.reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    if (np.abs(lengths - 1) > 0.05).any() or abs(axes[0] @ axes[1]) > 0.01:
        assumptions.append(
            f"ImageOrientationPatient {values.tolist()} is no pair of unit vectors at right angles: not used"
        )
        return None
    return axes / lengths[:, None]


def _numbers(ds: Dataset, keyword: str, count: int, assumptions: list[str]) -> FloatArray | None:
    """The tag as (count,) finite numbers, or None where it is missing, empty or makes no sense (then noted)."""
    try:
        value = ds.get(keyword)
        if value is None or value == "":
            return None
        values = np.array(value, dtype=np.float64).reshape(-1)
    except Exception:  # text in numbers: the parser raises nearly anything
        assumptions.append(f"{keyword} is not numeric: not used")
        return None
    if not len(values):
        return None
    if len(values) != count or not np.isfinite(values).all():
        assumptions.append(f"{keyword} {values.tolist()} is not {count} numbers: not used")
        return None
    return values


def _number(ds: Dataset, keyword: str, assumptions: list[str]) -> float:
    values = _numbers(ds, keyword, 1, assumptions)
    return float("nan") if values is None else float(values[0])


def _integer(ds: Dataset, keyword: str) -> int | None:
    try:
        value = ds.get(keyword)
        return None if value is None or value == "" else int(value)
    except Exception:  # text in numbers: the parser raises nearly anything
        return None


def _names(ds: Dataset) -> str:
    keywords = ("SeriesDescription", "ProtocolName", "SequenceName", "ImageType")
    return " ".join(str(ds.get(keyword) or "") for keyword in keywords).lower()


def _not_dicom(path: Path) -> str:
    size = path.stat().st_size
    return "is empty (0 bytes)" if size == 0 else "is not a DICOM file: the DICM mark after its preamble is missing"


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
