from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.files import holder, locks
from bench.files.holder import Holder
from bench.files.locks import Lock, LostLockError

ELSEWHERE = {"pid": 1, "host": "another-host", "token": "t"}
HOLD = """
import sys, time
from pathlib import Path
from bench.files.locks import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.communicate()


def make_old(path: Path, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(path, (when, when))


def until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


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


def test_a_stopped_process_of_this_host_keeps_its_lock_a_killed_one_does_not(tmp_path: Path, other_process) -> None:
    path = tmp_path / "lock"
    other_process.send_signal(signal.SIGSTOP)
    make_old(path, 10 * locks.STALE_S)
    assert Lock(path).is_held()
    assert not Lock(path).acquire()
    other_process.kill()  # and not waited for: a zombie holds nothing
    lock = Lock(path)
    until(lock.acquire)
    lock.release()


def test_another_process_with_the_number_of_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    mine = Holder.this_process()
    path.write_text(Holder(mine.pid, mine.host, "t", mine.system, mine.started - 1).to_json())
    lock = Lock(path)
    assert lock.acquire()
    lock.release()


def test_the_same_number_in_another_container_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(Holder(2**22, socket.gethostname(), "t", "another boot", 5).to_json())
    assert not Lock(path).acquire()
    make_old(path, locks.STALE_S + 1)
    lock = Lock(path)
    assert lock.acquire()
    lock.release()


def test_who_was_taken_over_notices_and_leaves_the_new_holder_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.02)
    path = tmp_path / "lock"
    sleeper = Lock(path)
    assert sleeper.acquire()
    sleeper.require()
    path.unlink()
    path.write_text(json.dumps(ELSEWHERE))  # it was away, and another host took its lock over
    assert not sleeper.still_ours()
    with pytest.raises(LostLockError, match=r"lost to process 1 on another-host .* Run the same command again"):
        sleeper.require()
    make_old(path, 30)
    time.sleep(0.2)
    assert time.time() - path.stat().st_mtime > 20  # it does not keep the other's lock fresh
    sleeper.release()
    assert json.loads(path.read_text()) == ELSEWHERE


def test_one_error_of_the_disk_does_not_stop_the_heartbeat_long_ones_lose_the_lock(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.02)
    path, beat = tmp_path / "lock", os.utime
    errors = [OSError(116, "Stale file handle")] * 3

    def hiccup(*where, **how) -> None:
        if errors:
            raise errors.pop()
        beat(*where, **how)

    monkeypatch.setattr(os, "utime", hiccup)
    with Lock(path) as lock:
        until(lambda: not errors)
        beat(path, (0, 0))
        until(lambda: path.stat().st_mtime > 0)
        assert lock.still_ours()
        monkeypatch.setattr(locks, "STALE_S", 0.2)
        errors += [OSError(116, "Stale file handle")] * 10_000
        until(lambda: not lock.still_ours())
        with pytest.raises(LostLockError):
            lock.require()


def test_a_lock_from_the_future_becomes_stale(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(locks, "STALE_S", 0.5)
    path = tmp_path / "lock"
    path.write_text(json.dumps(ELSEWHERE))
    make_old(path, -10_000)
    assert Lock(path).is_held()
    assert not Lock(path).acquire()
    lock = Lock(path)
    until(lock.acquire)
    lock.release()


def test_a_lock_from_the_future_that_may_not_be_touched_becomes_stale_by_our_own_clock(tmp_path, monkeypatch) -> None:
    def refuse(*_, **__) -> None:
        raise PermissionError

    path = tmp_path / "lock"
    path.write_text(json.dumps(ELSEWHERE))
    make_old(path, -10_000)
    monkeypatch.setattr(locks, "STALE_S", 0.3)
    monkeypatch.setattr(os, "utime", refuse)
    started = time.monotonic()
    assert Lock(path).is_held()
    until(lambda: not Lock(path).is_held())
    assert time.monotonic() - started > 0.3
    lock = Lock(path)
    assert lock.acquire()
    lock.release()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\x00", b"[]", b'{"pid": "x", "host": 1, "token": []}', b"9" * 9999]
)
def test_garbage_is_a_stale_lock(tmp_path: Path, content: bytes, monkeypatch) -> None:
    path = tmp_path / "lock"
    path.write_bytes(content)
    assert not Lock(path).acquire()  # somebody may be about to sign it
    make_old(path, locks.UNSIGNED_S + 1)
    lock = Lock(path)
    assert not lock.is_held()
    assert lock.acquire()
    lock.release()


def test_the_file_is_never_there_unsigned(tmp_path: Path, monkeypatch) -> None:
    path, link = tmp_path / "lock", os.link
    seen = []

    def look(*names, **how) -> None:
        seen.append(path.exists())
        link(*names, **how)
        seen.append(holder.read_holder(path) is not None)

    monkeypatch.setattr(os, "link", look)
    Lock(path).acquire()
    assert seen == [False, True]


def test_without_hard_links_it_works_too(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_, **__) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    assert lock.still_ours()
    assert not Lock(tmp_path / "lock").acquire()
    lock.release()
    assert not list(tmp_path.iterdir())


def test_a_link_in_its_place_leaves_its_target_alone(tmp_path: Path) -> None:
    target, path = tmp_path / "precious", tmp_path / "lock"
    target.write_text("keep")
    os.utime(target, (5, 5))
    path.symlink_to(target)
    os.utime(path, (1, 1), follow_symlinks=False)
    lock = Lock(path)
    assert lock.acquire()
    assert not path.is_symlink()
    lock.release()
    assert (target.read_text(), target.stat().st_mtime) == ("keep", 5)


def test_who_waits_is_told_once_for_whom(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire()
    told: list[str] = []

    def free(who: Holder | None) -> None:
        told.append(str(who))
        first.release()

    second.wait(free)
    second.release()
    assert told == [f"process {os.getpid()} on {socket.gethostname()}"]
