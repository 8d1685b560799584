"""The data of the RSNA 2024 Lumbar Spine Degenerative Classification competition, as downloaded from Kaggle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.data.folder import check_folder
from bench.data.tables import LABELS, POINTS, SERIES, table_path
from bench.dataset import DataSet, Progress
from bench.errors import UsageError

from .faults import EXCLUDED, KNOWN


class Rsna2024(DataSet):
    """1,975 labelled studies of the competition, in the folder given by ``--data``."""

    def locate(self, *, preset: str | None, data: Path | None, cache: Path, jobs: int, progress: Progress) -> Path:
        """The user's folder. Raises an error if it lacks a table."""
        if data is None:
            raise UsageError(
                "the data set rsna2024 is not included: pass the folder with train.csv and train_images with --data "
                "(download: https://www.kaggle.com/competitions/rsna-2024-lumbar-spine-degenerative-classification/data)."
            )
        check_folder(data)
        for table in (LABELS, POINTS, SERIES):
            table_path(data, table)
        return data

    def excluded_studies(self) -> Mapping[int, str]:
        """The one study whose T2 series shows another part of the spine."""
        return EXCLUDED

    def known_faults(self) -> Mapping[int, str]:
        """Published faults by study or series id; they change nothing."""
        return KNOWN
