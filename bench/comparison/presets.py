"""The presets of the approach behind stored jobs."""

from __future__ import annotations

from pathlib import Path

from bench import plugins
from bench.errors import BenchError
from bench.jobs import config
from bench.jobs.job import Job


def preset_names(job: Job) -> frozenset[str]:
    """The presets of a job's approach; none where its plug-in is no longer there."""
    paths = [Path(path) for path in job.plugins if Path(path).exists()]
    try:
        return frozenset(config.presets(plugins.find("approaches", job.approach, paths)))
    except BenchError:
        return frozenset()
