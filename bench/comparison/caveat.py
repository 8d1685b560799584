"""The caveat of the data set behind a stored split."""

from __future__ import annotations

from pathlib import Path

from bench import plugins
from bench.errors import BenchError
from bench.jobs.job import Job
from bench.jobs.result import SplitRecord


def caveat_of(about: SplitRecord, job: Job) -> str | None:
    """What tables and reports must say about a data set's scope; None if it says nothing.

    Args:
        about: the content of the split's ``dataset.json``.
        job: any job of the split. It is only used for splits stored before `caveat` was written down: their data set
            is then looked up by name, and a plug-in that is no longer there has no caveat.
    """
    if "caveat" in about.model_fields_set:
        return about.caveat
    paths = [Path(path) for path in job.plugins if Path(path).exists()]
    try:
        return plugins.load("datasets", job.dataset.partition(":")[0], paths).caveat
    except BenchError:
        return None
