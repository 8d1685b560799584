from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import VERBS, main
from bench.cli.data import VERBS as DATA_VERBS


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from bench.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom bench.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'numpy', 'scipy', 'rich', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    for verb in VERBS:
        assert verb in done.stdout


@pytest.mark.parametrize("verb", [[verb] for verb in VERBS] + [["data", verb] for verb in DATA_VERBS])
def test_every_verb_has_help(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--help"])
    assert ended.value.code == 0
    assert "Usage: bench" in capsys.readouterr().out


def test_unknown_verb_is_guessed() -> None:
    done = bench("reprot")
    assert done.returncode == 2
    assert "Did you mean 'report'?" in done.stderr


def test_traceback_only_with_debug() -> None:
    words = ["run", "--approach", "nobody", "--dry-run"]
    done = bench(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "Traceback" in bench(*words, "--debug").stderr


def test_list_runs_of_no_store(tmp_path: Path) -> None:
    done = bench("list", "runs", "--json", "--out", str(tmp_path / "absent"))
    assert json.loads(done.stdout) == {"schema_version": 1, "runs": []}
