"""Faults of a file, a series or a table row, in plain text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.errors import DataError


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the data.

    Attributes:
        path: the file or folder, relative to the data folder.
        what: what is wrong.
        effect: on training: left out, repaired, or none.
        study_id: the study it belongs to, where that is known.
        series_id: the series it belongs to, where that is known.
        usable: False where something had to be left out.
    """

    path: str
    what: str
    effect: str
    study_id: int | None = None
    series_id: int | None = None
    usable: bool = False

    def to_json(self) -> dict[str, Any]:
        """The fault as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Fault:
        """The fault that `to_json` wrote."""
        return cls(**document)


class UnreadableImage(DataError):  # noqa: N818 - named for what it is about
    """An image file that cannot be used; the message says why, without the path."""


class NotDicom(UnreadableImage):
    """A file that is not DICOM: damaged if it is named like an image, else unrelated."""


class Packed(NotDicom):
    """A file that is compressed or an archive; `format` says which."""

    def __init__(self, format_: str) -> None:
        super().__init__(f"is compressed ({format_}), not a DICOM file: unpack it")
        self.format = format_


class NoImage(UnreadableImage):
    """A sound DICOM object that has no image by its kind, such as a report: passed over without a fault."""
