"""The data of the RSNA 2024 Lumbar Spine Degenerative Classification competition, as downloaded from Kaggle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.data.load import check_folder
from bench.data.tables import LABELS, POINTS, SERIES, table_path
from bench.dataset import DataSet, Progress
from bench.errors import UsageError

from .faults import EXCLUDED, KNOWN


class Rsna2024(DataSet):
    """1,975 labelled studies in the folder that the user names with ``--data``."""

    def locate(self, *, preset: str | None, data: Path | None, cache: Path, jobs: int, progress: Progress) -> Path:
        """The user's folder, once it is sure that the tables are there."""
        if data is None:
            raise UsageError(
                "the data set rsna2024 lies on your disk: pass --data the folder that holds train.csv and train_images "
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
        """Published faults by study or series id; nothing is changed because of them."""
        return KNOWN
