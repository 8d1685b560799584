"""The contract of a data set plug-in: a folder in the competition's layout, and what is known about it.

The layout is ``train.csv``, ``train_label_coordinates.csv``, ``train_series_descriptions.csv`` and
``train_images/<study_id>/<series_id>/<instance_number>.dcm``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import pandas as pd

from bench.errors import UsageError

# (what is being done, how many are done, how many there are)
Progress = Callable[[str, int, int], None]


class DataSet(ABC):
    """One source of studies. The class is found by being imported into its plug-in's module."""

    presets: ClassVar[tuple[str, ...]] = ()
    """Variants that a user can ask for as ``name:preset``; the first is the default. Empty: there is only one."""

    caveat: ClassVar[str | None] = None
    """What every table and report on this data set must say about its scope; None if there is nothing to say."""

    @abstractmethod
    def locate(self, *, preset: str | None, data: Path | None, cache: Path, jobs: int, progress: Progress) -> Path:
        """The folder that holds the data; a generated data set is built here on first use.

        Args:
            preset: one of `presets`, or None.
            data: the folder that the user named with ``--data``, if any.
            cache: where generated data may be kept.
            jobs: how many processes may be used.
            progress: called as work goes on.
        """

    def build(
        self,
        folder: Path,
        *,
        preset: str | None,
        studies: int | None,
        seed: int,
        jobs: int,
        progress: Progress,
        tables_only: bool = False,
    ) -> Path:
        """Generate the data set into a folder of the user's, for ``bench data build``; only where it can be generated.

        Args:
            folder: empty or absent, or what an interrupted call left.
            preset: one of `presets`, or None.
            studies: how many, or None for as many as the preset has.
            seed: of the generator.
            jobs: how many processes may be used.
            progress: called as work goes on.
            tables_only: write no images.
        """
        raise UsageError(f"the data set {type(self).__name__} cannot be generated; name its folder with --data.")

    def expected_gigabytes(self, preset: str | None, studies: int | None) -> float | None:
        """How much `build` will write, where that is known beforehand."""
        return None

    def excluded_studies(self) -> Mapping[int, str]:
        """Studies that are left out for all approaches alike, each with its reason."""
        return {}

    def known_faults(self) -> Mapping[int, str]:
        """Published faults by study id or series id, in words."""
        return {}

    def best_predictions(self, folder: Path) -> pd.DataFrame | None:
        """Predictions whose score nobody can be expected to beat, where they are known.

        Returns:
            ``row_id, normal_mild, moderate, severe`` for every study. Their score on the rows at hand is the floor.
        """
        return None
