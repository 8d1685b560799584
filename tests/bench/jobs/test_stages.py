"""Every kind of damage to a folder that is built once ends in: named, set aside, built anew by the same call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files.atomic import DamagedError, read_json
from bench.files.checksums import write_manifest
from bench.files.locks import LostLockError
from bench.jobs import stages
from bench.jobs.stages import Folder, Record, obtain, past_damage

ABOUT = {"name": "means", "config": "{}", "studies": [1, 2]}


class Work:
    """Builds a folder with two files; counts how often, and keeps what it is told."""

    def __init__(self, root: Path, *, force: bool = False, run_id: str = "run", shared: bool = False) -> None:
        self.folder = Folder(root / "means-1", ABOUT, shared, run_id, force)
        self.root, self.path = root, root / "means-1"
        self.building = root / "means-1.building"
        self.built, self.found = 0, ""
        self.told: list[str] = []
        self.require_lock: Callable[[], None] = lambda: None

    def build(self, folder: Path, require: Callable[[], None]) -> Record:
        self.built += 1
        state = folder / "resume" / "state.json"
        self.found = (read_json(state) or {}).get("epoch", "nothing")
        (folder / "weights.bin").write_bytes(b"0123456789")
        (folder / "deep").mkdir(exist_ok=True)
        (folder / "deep" / "x.json").write_text("{}")
        return Record(about=ABOUT, by="job", run_id=self.folder.run_id, threads=1, wall=1.0, cpu=2.0)

    def obtain(self) -> tuple[Record, bool]:
        return obtain(
            self.folder, self.build, tell=self.told.append, on_wait=self.told.append, require_lock=self.require_lock
        )

    def begin(self, epoch: str = '{"epoch": 3}') -> None:
        """What a kill leaves after three epochs."""
        (self.building / "resume").mkdir(parents=True)
        (self.building / "identity.json").write_text(json.dumps(self.folder.identity()))
        (self.building / "resume" / "state.json").write_text(epoch)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_a_whole_folder_is_built_once(work: Work) -> None:
    assert work.obtain() == (work.obtain()[0], True)
    assert work.built == 1
    assert sorted(path.name for path in work.path.iterdir()) == [
        "checksums.json", "deep", "identity.json", "stage.json", "weights.bin",
    ]  # fmt: skip
    assert [path.name for path in work.root.iterdir()] == ["means-1"]


@pytest.mark.parametrize("name", ["weights.bin", "deep/x.json", "stage.json", "identity.json", "checksums.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing", "wrong shape"])
@pytest.mark.parametrize("shared", [False, True])
def test_damage_is_named_and_built_anew(tmp_path: Path, name: str, damage: str, shared: bool) -> None:
    work = Work(tmp_path, shared=shared)
    work.obtain()
    path = work.path / (name if not shared else name.replace("stage.json", "record.json"))
    content = path.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "flipped": bytes([content[0] ^ 1]) + content[1:],
        "empty": b"",
        "wrong shape": b"[1, 2]",
    }
    path.unlink() if damage == "missing" else path.write_bytes(changed[damage])
    _, built = work.obtain()
    assert (built, work.built) == (True, 2)
    (told,) = work.told
    assert path.name in told
    assert f"kept as {work.root / 'replaced'}" in told
    assert path.read_bytes() == content
    assert len(list((work.root / "replaced").iterdir())) == 1
    assert work.obtain()[1] is False


def test_a_file_too_many_is_damage_too(work: Work) -> None:
    work.obtain()
    (work.path / "more.bin").write_bytes(b"x")
    assert work.obtain()[1]
    assert "more.bin is not among its checksums" in work.told[0]


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "{}",
        '{"schema_version": 9}',
        json.dumps({"about": {"name": "other"}, "by": "", "run_id": "", "threads": 1}),
    ],
)
def test_a_record_of_the_wrong_shape_does_not_count_even_with_right_checksums(work: Work, record: str) -> None:
    work.obtain()
    (work.path / "stage.json").write_text(record)
    write_manifest(work.path)
    assert work.obtain()[1]
    assert "stage.json has the wrong shape" in work.told[0]


def test_a_folder_renamed_by_hand_is_not_taken_for_another(work: Work) -> None:
    work.obtain()
    other = Work(work.root)
    other.folder = Folder(work.path, {**ABOUT, "config": '{"epochs":2}'}, False, "run", False)
    with pytest.raises(BenchError, match="changed by another process"):  # this builder claims to be the first
        other.obtain()
    assert "stage.json is that of other work" in other.told[0]


def test_work_left_by_a_kill_is_taken_up(work: Work) -> None:
    work.begin()
    work.obtain()
    assert work.found == 3
    assert not work.told


def test_work_that_was_whole_but_for_its_name_is_not_done_again(work: Work) -> None:
    work.obtain()
    work.path.rename(work.building)
    (work.building / "resume").mkdir()
    assert work.obtain()[1]
    assert work.built == 1
    assert not (work.path / "resume").exists()


def test_whole_work_that_was_damaged_before_it_had_its_name_is_done_again(work: Work) -> None:
    work.obtain()
    work.path.rename(work.building)
    (work.building / "weights.bin").write_bytes(b"9123456789")
    work.obtain()
    assert work.built == 2
    assert "weights.bin has changed" in work.told[0]


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (None, "is missing"),
        ("{", "is damaged"),
        ("[]", "is that of other work"),
        ('{"about": {}}', "is that of other work"),
    ],
)
def test_work_left_by_a_kill_is_not_taken_up_without_its_identity(work: Work, identity: str, reason: str) -> None:
    work.begin()
    (work.building / "identity.json").unlink()
    if identity is not None:
        (work.building / "identity.json").write_text(identity)
    work.obtain()
    assert work.found == "nothing"
    assert f"stage means, begun earlier: identity.json {reason}" in work.told[0]


@pytest.mark.parametrize("state", ["", "{", "\x00"])
def test_a_damaged_file_of_a_killed_attempt_is_set_aside_and_training_begins_anew(work: Work, state: str) -> None:
    work.begin(state)
    work.obtain()
    assert work.found == "nothing"
    assert work.told[0].startswith("state.json, from an earlier attempt, is damaged; kept as")
    assert len(list(work.root.glob("replaced/*-state.json"))) == 1


def test_damage_elsewhere_stays_an_error(tmp_path: Path) -> None:
    def read() -> None:
        raise DamagedError("is damaged", tmp_path / "elsewhere" / "x")

    with pytest.raises(DamagedError):
        past_damage(tmp_path / "resume", read, print, tmp_path)


def test_force_begins_what_another_run_left_anew_and_goes_on_with_its_own(tmp_path: Path) -> None:
    Work(tmp_path, run_id="monday").begin()
    own = Work(tmp_path, run_id="tuesday", force=True)
    own.obtain()
    assert own.found == "nothing"
    assert "another run" in own.told[0]
    again = Work(tmp_path / "own", run_id="tuesday", force=True)
    again.begin()
    again.obtain()
    assert again.found == 3


def test_nothing_is_renamed_once_the_lock_is_lost(work: Work) -> None:
    def lost() -> None:
        raise LostLockError("lost")

    work.require_lock = lost
    with pytest.raises(LostLockError):
        work.obtain()
    assert not work.path.exists()
    work.require_lock = lambda: None
    (work.root / "means-1.lock").write_text("{}")  # taken over by somebody, who has gone since
    real = work.build

    def build(folder: Path, require: Callable[[], None]) -> Record:
        (work.root / "means-1.lock").write_text("{}")
        return real(folder, require)

    work.build = build  # type: ignore[method-assign]
    (work.root / "means-1.lock").unlink()
    (work.building / "checksums.json").unlink()
    with pytest.raises(LostLockError, match="Nothing more is written here"):
        work.obtain()
    assert not work.path.exists()


def test_many_faults_are_told_in_one_phrase() -> None:
    assert stages.in_words(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
