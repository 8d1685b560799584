"""Where calls from Python keep data, and how they show progress."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs
from rich.console import Console

from bench.console.screen import Screen


def cache_folder(named: Path | str | None) -> Path:
    """The cache: the named folder, BENCH_CACHE, or the user's cache folder."""
    named = named or os.environ.get("BENCH_CACHE") or platformdirs.user_cache_dir("rsna-lumbar-bench")
    return Path(named).expanduser().resolve()


def screen(*, quiet: bool = False) -> Screen:
    """Progress as plain lines on standard error; none if ``quiet``."""
    return Screen(Console(file=sys.stderr, quiet=quiet, force_terminal=False, width=110))
