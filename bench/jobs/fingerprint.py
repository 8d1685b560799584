"""What a job was made from, part by part: a stored result holds only while all parts are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import bench
from bench.jobs.job import Job
from bench.plugins import Plugin

SCORING = "scoring"  # the part that only scores: where it alone changed, stored predictions are scored anew

# The parts of the framework that can change a prediction; the rest (command line, screen, reports) makes nothing stale.
SOURCES = {
    "contract": ("approach.py", "jobs/context.py", "targets.py"),
    "data": ("data",),
    "imaging": ("imaging",),
    "training": ("training",),
}


def fingerprint(job: Job, plugin: Plugin) -> dict[str, Any]:
    """Everything that decides what a job predicts, part by part: a stored result holds only if all parts are equal."""
    root = Path(bench.__file__).parent
    sources = {f"source of bench.{part}": _hash_files(root, names) for part, names in SOURCES.items()}
    return {
        "data": job.data_hash,
        "folds": job.fold_hash,
        "fold": job.fold,
        "config": job.config_hash,
        "seed": job.seed,
        "train fraction": job.train_fraction,
        f"source of {plugin.name}": hash_sources(plugin.sources()),
        **sources,
        SCORING: _hash_files(root, ("metric", "jobs/score.py")),
    }


def changed_parts(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The parts of two fingerprints that differ, in words."""
    return [part for part in {**current, **stored} if stored.get(part) != current.get(part)]


def hash_sources(paths: Iterable[Path]) -> str:
    """The sha256 of Python files: names and contents, line ends aside."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def _hash_files(root: Path, names: Iterable[str]) -> str:
    paths: list[Path] = []
    for name in names:
        path = root / name
        paths += path.rglob("*.py") if path.is_dir() else [path] if path.exists() else []
    return hash_sources(paths)
