"""The contract of a report plug-in: it is handed comparisons and writes a file that opens offline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.comparison import Comparison


class Report(ABC):
    """One way to show what a store holds. The class is found by being imported into its plug-in's module."""

    @abstractmethod
    def write(self, comparisons: Sequence[Comparison], output: Path) -> None:
        """Write the report.

        Args:
            comparisons: one for each data set and split in the store, never to be compared across.
            output: the file to write, whole or not at all (`bench.files.atomic.write_text`).
        """
