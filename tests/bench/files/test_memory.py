"""Limits of memory are known, kept, and named where they are too small."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.files.memory import address_space_limit, address_space_used, memory_bytes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v holds on Linux alone")

ASK = """
from bench.files.memory import limit_address_space
limit_address_space(64 << 20)
kept = bytearray(16 << 20)
try:
    bytearray(256 << 20)
except MemoryError:
    print("refused")
"""


def run(limit_kb: int, *command: str) -> subprocess.CompletedProcess:
    line = f'ulimit -v {limit_kb}; exec "$@"'
    return subprocess.run(["bash", "-c", line, "bash", *command], capture_output=True, text=True, check=False)


def test_machine_and_process_are_measured():
    assert memory_bytes() > 100 << 20
    assert address_space_used() > 10 << 20


def test_a_process_keeps_to_its_limit_and_lower_limits_stay():
    asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert asked.stdout == "refused\n"
    code = "import bench.files.memory as m; m.limit_address_space(8 << 30); print(m.address_space_limit())"
    assert run(1_000_000, sys.executable, "-c", code).stdout == f"{1_000_000 << 10}\n"


def test_no_limit_is_none():
    code = "from bench.files.memory import address_space_limit; print(address_space_limit())"
    if address_space_limit() is None:
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "None\n"


def test_too_little_to_start_is_one_clear_error(tmp_path):
    code = f"from bench.cli import main; main(['data', 'check', {str(tmp_path)!r}])"
    result = run(200_000, sys.executable, "-c", code)
    assert result.returncode == 1
    assert result.stderr.startswith("error: `ulimit -v` allows this process 200,000 KB of memory")
    assert "ulimit -v unlimited" in result.stderr


def test_too_little_for_a_library_is_one_clear_error(tmp_path):
    code = f"from bench.cli import main; main(['compare', 'mil', 'prior', {str(tmp_path)!r}])"
    program = f"import sys; sys.modules['bench.cli.compare'] = None; {code}"
    result = run(4_000_000, sys.executable, "-c", program)
    assert result.returncode == 1
    assert "error: there is not enough memory" in result.stderr
