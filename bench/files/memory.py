"""How much memory there is: the machine's, less what a container or ``ulimit -v`` leaves of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bench.errors import BenchError

# Python, NumPy and pandas map about 150 MB.
_LEAST_ADDRESS_SPACE = 256 << 20
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int | None:
    """The memory that the processes of this machine or container may use together; None where it cannot be known."""
    known = []
    with suppress(AttributeError, ValueError, OSError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max": no limit
            known.append(int(Path(path).read_text()))
    return min((found for found in known if found > 0), default=None)


def address_space_limit() -> int | None:
    """The bytes that one process may map (``ulimit -v``); None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def address_space_used() -> int:
    """The bytes that this process has mapped; 0 where it cannot be known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def limit_address_space(more: int) -> None:
    """Let this process map so many bytes more than it has; a lower limit that is set already stays."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = address_space_used() + more
        limits = [wanted, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    except (ImportError, ValueError, OSError):
        pass  # no such limit on this system


def check_address_space() -> None:
    """Raise BenchError where ``ulimit -v`` is too small for any work: libraries would abort without a word."""
    limit = address_space_limit()
    if limit is not None and limit < _LEAST_ADDRESS_SPACE:
        raise BenchError(
            f"`ulimit -v` allows this process {limit >> 10:,} KB of memory, too little to start. Allow at least "
            f"{_LEAST_ADDRESS_SPACE >> 10:,} KB (training takes several million): `ulimit -v unlimited`."
        )
