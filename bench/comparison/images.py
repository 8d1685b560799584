"""The images behind a comparison, for reports that show cases."""

from __future__ import annotations

from pathlib import Path

from bench import plugins
from bench.comparison.results import Comparison
from bench.data.cohort_index import Indexed, read_cohort_index
from bench.errors import BenchError, DataError


def is_generated(comparison: Comparison) -> bool:
    """Whether the data set is generated (`bench.dataset.DataSet.generated`); False if its plug-in is gone."""
    named = dict.fromkeys(Path(path) for each in comparison.approaches for job in each.jobs for path in job.plugins)
    paths = [path for path in named if path.exists()]
    try:
        return bool(plugins.load("datasets", comparison.dataset.partition(":")[0], paths).generated)
    except BenchError:
        return False


def open_images(comparison: Comparison) -> Indexed:
    """The studies and pixels that the jobs were run on.

    Raises:
        DataError: no index of the cohort is there, or data or cache changed since. The message says why.
    """
    split = comparison.approaches[0].jobs[0].files.split
    why = f"{split.path} names no images: its results were not made by `bench run` on images."
    for path in split.cohort_indexes():
        try:
            return read_cohort_index(path, comparison.data_hash)
        except DataError as error:
            why = str(error)
    raise DataError(why)
