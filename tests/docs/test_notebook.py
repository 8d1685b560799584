"""`docs/notebook.ipynb` runs from its first cell to its last and shows what it says."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CHECKOUT = Path(__file__).parents[2]
LARGEST_BYTES = 300_000


def test_the_notebook_is_stored_with_small_outputs() -> None:
    path = CHECKOUT / "docs" / "notebook.ipynb"
    assert path.stat().st_size < LARGEST_BYTES
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert all(output.output_type == "execute_result" for output in outputs)  # no errors, no warnings


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(session_cache))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(CHECKOUT / "docs" / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if "data" in output]
    texts = "\n".join(data["text/plain"] for data in shown)
    assert sum("image/png" in data for data in shown) == 2
    assert "Data('phantom:tiny': 8 studies in 2 folds" in texts
    assert "Results(6 jobs of uniform-default, middle_slice-default, prior-default" in texts
    assert "middle_slice-default minus uniform-default, paired by study, n = 8" in texts
    assert max(len(data["text/plain"]) for data in shown) < 2000  # nothing floods the screen
    # What ran once in a notebook is reused by a second one with the same cells.
    results = sorted(tmp_path.glob("runs/*/*/*/seed0/fold*/result.json"))
    times = [path.stat().st_mtime_ns for path in results]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [path.stat().st_mtime_ns for path in results] == times
