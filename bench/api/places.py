"""Where calls from Python keep data, and how they show progress."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from bench.console.screen import Screen
from bench.console.terminal import terminal


def cache_folder(named: Path | str | None) -> Path:
    """The cache: the named folder, BENCH_CACHE, or the user's cache folder."""
    named = named or os.environ.get("BENCH_CACHE") or platformdirs.user_cache_dir("rsna-lumbar-bench")
    return Path(named).expanduser().resolve()


def screen(*, quiet: bool = False) -> Screen:
    """Progress as plain lines on standard error; none if ``quiet``."""
    return Screen(terminal(stderr=True, quiet=quiet, force_terminal=False, width=110))
