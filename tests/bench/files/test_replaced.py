from __future__ import annotations

from pathlib import Path

from bench.files.replaced import set_aside


def test_a_folder_moves_as_a_whole_and_twice_of_one_name_collide_nowhere(tmp_path: Path) -> None:
    seen = set()
    for text in ("first", "second"):
        (tmp_path / "stage").mkdir()
        (tmp_path / "stage" / "x").write_text(text)
        moved = set_aside(tmp_path / "stage")
        assert not (tmp_path / "stage").exists()
        assert moved.parent == tmp_path / "replaced"
        assert moved.name.endswith("-stage")
        seen.add((moved / "x").read_text())
    assert seen == {"first", "second"}


def test_another_place_may_hold_it(tmp_path: Path) -> None:
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume" / "state.json").write_text("{")
    assert set_aside(tmp_path / "resume" / "state.json", tmp_path).parent == tmp_path / "replaced"
