"""The contract of a report plug-in: it is handed comparisons and writes them to files that open offline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from bench.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Output:
    """One file or folder to write.

    Attributes:
        path: where.
        format: one of `Report.formats`.
    """

    path: Path
    format: str


class Report(ABC):
    """One way to show what a store holds. The class is found by being imported into its plug-in's module."""

    formats: ClassVar[tuple[str, ...]] = ("html",)
    """What it can write: the names that ``bench report --format`` takes."""

    @abstractmethod
    def write(
        self,
        comparisons: Sequence[Comparison],
        outputs: Sequence[Output],
        *,
        figures: Path | None = None,
        with_images: bool = False,
    ) -> None:
        """Write the report.

        Args:
            comparisons: one for each data set and split in the store, never to be compared across.
            outputs: what to write, each whole or not at all: `bench.files.atomic.write_text`, ``named_by_user``.
            figures: a folder for the figures as PNG and SVG; None to write none.
            with_images: show images of data sets that are not generated, which may not be passed on.
        """
