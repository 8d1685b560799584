"""The contract of a data set plug-in: a folder in the competition's layout, and facts about it.

The layout is ``train.csv``, ``train_label_coordinates.csv``, ``train_series_descriptions.csv`` and
``train_images/<study_id>/<series_id>/<instance_number>.dcm``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import pandas as pd

from bench.errors import UsageError

# (name of the work, items done, items in total)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """What `DataSet.locate` would have to generate first.

    Attributes:
        studies: how many.
        gigabytes: what their files take on disk; None if unknown.
        folder: where they would lie.
        prepared_gigabytes: what they take once more in the volume cache; None if unknown.
    """

    studies: int
    gigabytes: float | None
    folder: Path
    prepared_gigabytes: float | None = None


class DataSet(ABC):
    """One source of studies. The plug-in's module defines or imports the class; it is found there."""

    presets: ClassVar[tuple[str, ...]] = ()
    """Variants, requested as ``name:preset``; the first is the default. Empty if there is only one variant."""

    caveat: ClassVar[str | None] = None
    """The scope of results on this data set, shown by every table and report; None if there is nothing to warn of."""

    generated: ClassVar[bool] = False
    """Whether the images are generated, so that reports may show them; other images only if the user asks for it."""

    @abstractmethod
    def locate(self, *, preset: str | None, data: Path | None, cache: Path, jobs: int, progress: Progress) -> Path:
        """The folder of the data; a generated data set is built on the first call.

        Args:
            preset: one of `presets`, or None.
            data: the folder that the user named with ``--data``, if any.
            cache: folder for generated data.
            jobs: number of processes.
            progress: called during the work.
        """

    def pending(self, *, preset: str | None, data: Path | None, cache: Path) -> Pending | None:
        """What `locate` would generate if it were called so, or None if nothing; writes nothing.

        A data set that generates must tell: ``bench run --dry-run`` calls `locate` only where this is None.

        Raises:
            UsageError: `locate` would refuse.
        """
        return None

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
        """Generate the data set into a folder, for ``bench data build``; UsageError if it cannot be generated.

        Args:
            folder: empty, absent, or left by an interrupted call.
            preset: one of `presets`, or None.
            studies: number of studies; None for that of the preset.
            seed: of the generator.
            jobs: number of processes.
            progress: called during the work.
            tables_only: write no images.
        """
        raise UsageError(
            f"the data set {type(self).__name__} cannot be generated. Use the folder that holds it: bench run "
            "--dataset NAME --data FOLDER."
        )

    def expected_gigabytes(self, preset: str | None, studies: int | None) -> float | None:
        """The size in GB of what `build` will write; None if unknown."""
        return None

    def excluded_studies(self) -> Mapping[int, str]:
        """Studies that are left out for all approaches, each with the reason."""
        return {}

    def known_faults(self) -> Mapping[int, str]:
        """Published faults by study id or series id."""
        return {}

    def best_predictions(self, folder: Path) -> pd.DataFrame | None:
        """Predictions that no approach can be expected to beat, such as the true label probabilities; None if unknown.

        Returns:
            ``row_id, normal_mild, moderate, severe`` for every study. Their score is the noise floor.
        """
        return None
