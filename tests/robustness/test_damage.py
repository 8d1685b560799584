"""Every file of a store and a cache, damaged in five ways: named and made anew, or named with the cure.

Prints the table; ``BENCH_DAMAGE_TABLE`` names a file to write it to as well.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import list as list_verb
from bench.cli import report
from bench.errors import BenchError
from bench.files.foreign import one_line

from .conftest import SmallRun
from .killing import KILLED, run_until

pytestmark = pytest.mark.slow

WRONG_SHAPE = {".json": b'{"schema_version": 1}', ".csv": b"a,b\n1,2\n", ".npz": b"PK", ".npy": b"\x93NUMPY", "": b"[]"}
# Files that nothing reads again: no damage to them can change anything.
NEVER_READ = {
    "log.txt": "what the approach printed",
    "seen_in_fit.json": "left by the approach of the test",
    "seen_in_predict.json": "left by the approach of the test",
    "seen_in_predict_true.json": "left by the approach of the test",
    "all_studies.json": "left by the approach of the test",
}
# Kept for whoever loads the approach or shares the work, and checked then: see the states where the job is gone.
CHECKED_WHEN_USED = re.compile(r"checkpoint/|/fitted\.json$|/predicted\.json$|/shared/|/stages/")


@dataclass(frozen=True)
class Row:
    state: str
    file: str
    damage: str
    seen: str
    fine: bool

    def __str__(self) -> str:
        return f"| {self.state}: {self.file} | {self.damage} | {'' if self.fine else '**NOT FINE** '}{self.seen} |"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def wrong_shape(path: Path) -> None:
    path.write_bytes(WRONG_SHAPE.get(path.suffix, WRONG_SHAPE[""]))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# The newest of these tells how far a killed run came.
MARKS = ("state.json", "fitted.json", "predicted.json", "result.json")
DAMAGES = (flip, truncate, empty, wrong_shape, folder)


def files_of(run: SmallRun) -> Iterator[Path]:
    """Every file of store and cache; of the series and configurations one, and not the data set's own."""
    seen = set()
    for path in sorted(run.root.rglob("*")):
        if not path.is_file() or "toy-12" in path.relative_to(run.root).parts or path.name.endswith(".lock"):
            continue
        kind = generic(path, run)
        if path.stat().st_size and kind not in seen:
            seen.add(kind)
            yield path.relative_to(run.root)


def generic(path: Path, run: SmallRun) -> str:
    """The path with hashes and numbers left out."""
    return re.sub(r"\b[0-9a-f]{8,}\b|\b\d{2,}\b(?=\.(npy|json)$)", "*", str(path.relative_to(run.root)))


def told(run: SmallRun) -> tuple[list[str], bool]:
    """What the same command says, and whether it raised something that is no error of ours."""
    try:
        return run.run(), False
    except BenchError as error:
        return [f"error: {error}"], False
    except Exception as error:
        return [f"TRACEBACK {type(error).__name__}: {error}"], True


def readers_fail(run: SmallRun) -> str | None:
    """What `bench list` and `bench report` do with the damaged store, if that is more than an error message."""
    for command, words in ((list_verb.command, ["runs"]), (report.command, [])):
        where = ["--out", str(run.request.out)] if words else [str(run.request.out), "--json"]
        result = CliRunner().invoke(command, [*words, *where])
        if result.exception is not None and not isinstance(result.exception, (BenchError, SystemExit)):
            return f"TRACEBACK of {command.name}: {type(result.exception).__name__}: {result.exception}"
    return None


def examine(run: SmallRun, state: str, file: Path, damage: Callable[[Path], None], expected: dict) -> Row:
    name = generic(run.root / file, run)
    path = run.root / file
    original = path.read_bytes()
    damage(path)
    damaged = path.read_bytes() if path.is_file() else None
    crash = readers_fail(run) if state == "finished" else None
    words, raised = told(run)
    if (
        any("Remove it" in word and word.startswith("error") for word in words) and path.is_dir()
    ):  # the cure of a folder
        path.rmdir()
    again, raised_again = told(run)  # an error that names a cure must be over after it: here, the same command again
    if raised or raised_again or crash is not None:
        return Row(state, name, damage.__name__, crash or [*words, *again][0], fine=False)
    try:
        equal = run.outcome() == expected
    except (AssertionError, OSError, ValueError) as error:
        return Row(state, name, damage.__name__, f"permanent: {[*words, *again]} {error}", fine=False)
    if not equal:
        return Row(state, name, damage.__name__, f"another outcome: {[*words, *again]}", fine=False)
    shown = "; ".join(dict.fromkeys(words)).replace(str(run.root), "").replace("|", "/")
    if again and not words[0].startswith("error"):
        return Row(state, name, damage.__name__, f"told twice: {again}", fine=False)
    if shown:
        return Row(state, name, damage.__name__, one_line(re.sub(r"\s+", " ", shown))[:300], fine=True)
    reason = why_unnamed(state, file, path, (original, damaged))
    return Row(state, name, damage.__name__, reason or "SILENT", fine=reason is not None)


def why_unnamed(state: str, file: Path, path: Path, versions: tuple[bytes, bytes | None]) -> str | None:
    """Why damage that nothing was said of cannot do harm; None if nobody knows."""
    if file.name in NEVER_READ:
        return f"never read: {NEVER_READ[file.name]}"
    original, damaged = versions
    if path.is_file() and path.read_bytes() == original:
        return "made anew, byte-equal"
    if state.startswith("killed") and path.is_file() and path.read_bytes() != damaged and "resume" not in file.parts:
        return "written anew: an unfinished job does it again"
    if file.name == "notes.count":
        return "guards notes.jsonl, which has checksums of its own"
    if file.name.endswith("seconds.json"):
        return "not counted; the log of the job says so"
    if file.name == "history.csv" and state.startswith("killed"):
        return "shown in figures only; the log of the job names a row that cannot be read"
    if "configurations" in file.parts:
        return "passed over without a word: it only saves time"
    if state == "finished" and CHECKED_WHEN_USED.search(file.as_posix()):
        return "not read for a finished job; checked when it is used"
    return None


def states(
    finished: SmallRun, prepared: SmallRun, tmp_path: Path, place: Callable[[], Path]
) -> dict[str, Callable[[], Iterator[tuple[str, SmallRun]]]]:
    """Runs to be damaged: one that is finished, one whose job's folder is gone, and some that were killed."""

    def whole() -> Iterator[tuple[str, SmallRun]]:
        yield "finished", finished

    def gone() -> Iterator[tuple[str, SmallRun]]:
        run = finished.copy(tmp_path / "gone" / "x")
        shutil.rmtree(run.folder().path)
        yield "job gone", run

    def killed() -> Iterator[tuple[str, SmallRun]]:
        """The first run that came as far as each of `MARKS`."""
        seen = set()
        for operation in range(20, 400, 3):
            run = prepared.copy(place())
            code = run_until(run.run, operation, run.root)
            names = {path.name for path in run.root.rglob("*")}
            latest = [mark for mark in MARKS if mark in names]
            if latest and latest[-1] not in seen and code == KILLED:
                seen.add(latest[-1])
                yield f"killed with {latest[-1]}", run.copy(tmp_path / latest[-1] / "x")
            if code == 0:
                return

    return {"finished": whole, "job gone": gone, "killed": killed}


@pytest.mark.parametrize("name", ["finished", "job gone", "killed"])
def test_damage_to_any_file_is_named_and_mended(
    finished: SmallRun, prepared: SmallRun, tmp_path: Path, place: Callable[[], Path], name: str
) -> None:
    expected, rows = finished.outcome(), []
    for state, run in states(finished, prepared, tmp_path / "states", place)[name]():
        for file in files_of(run):
            if not matters(file, state):
                continue
            for damage in DAMAGES:
                rows.append(examine(run.copy(place()), state, file, damage, expected))
                print(rows[-1], flush=True)
    if named := os.environ.get("BENCH_DAMAGE_TABLE"):
        with Path(named).open("a", encoding="utf-8") as stream:
            stream.writelines(f"{row}\n" for row in rows)
    assert len(rows) > 40
    assert [str(row) for row in rows if not row.fine] == []


def matters(file: Path, state: str) -> bool:
    """Whether damage to a file is to be looked at in a state: what is the same in several is looked at in one."""
    in_job, in_cache = "seed0" in file.parts, file.parts[0] == "cache"
    unfinished = any(part.endswith(".building") or part == "resume" for part in file.parts)
    if file.name in NEVER_READ and state != "finished":
        return False
    if file.name == "state.json":  # the test approach's own, which has no checksum; those of networks do
        return False
    if state.startswith("killed"):
        return in_job or unfinished
    return state == "job gone" or in_job or not in_cache
