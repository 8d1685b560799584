from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.files import locks
from bench.files.locks import Lock


def test_only_one_holds_it(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    assert second.is_held()
    first.release()
    assert not second.is_held()
    assert second.acquire()
    second.release()
    assert not (tmp_path / "lock").exists()


def test_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from bench.files.locks import Lock; "
    code += "Lock(Path(sys.argv[1])).acquire()"
    subprocess.run([sys.executable, "-c", f"{code}; os._exit(0)", str(tmp_path / "lock")], check=True)
    assert (tmp_path / "lock").exists()
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    lock.release()


def test_lock_of_another_host_is_stale_only_without_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname() + "-other", "token": "t"}))
    assert not Lock(path).acquire()
    old = time.time() - locks.STALE_S - 1
    os.utime(path, (old, old))
    lock = Lock(path)
    assert lock.acquire()
    lock.release()


def test_heartbeat_keeps_it_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.02)
    with Lock(tmp_path / "lock"):
        os.utime(tmp_path / "lock", (0, 0))
        time.sleep(0.3)
        assert time.time() - (tmp_path / "lock").stat().st_mtime < 5


def test_many_at_a_stale_lock_let_one_through(tmp_path: Path) -> None:
    for _ in range(20):
        path = tmp_path / "lock"
        path.write_text("")  # its holder was killed before it could sign
        os.utime(path, (0, 0))
        rivals = [Lock(path) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(Lock.acquire, rivals))
        assert sum(won) == 1
        rivals[won.index(True)].release()
