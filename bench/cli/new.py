"""``bench new``: the folder of a new approach, which runs as it is."""

from __future__ import annotations

import keyword
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import plugin_paths
from bench.console.terminal import echo
from bench.errors import UsageError
from bench.files.foreign import one_line

if TYPE_CHECKING:
    from bench.plugins import Plugin

DEFAULT_START = "prior"
TEMPLATE = "new_approach"
"""A folder of this name in an approach is copied in place of the approach."""

_TEST = '''"""The contract of `bench.approach`, checked on a few odd studies. Run it: pytest {name}/tests"""

from pathlib import Path

from bench.cli.options import default_cache
from bench.testing import check_contract


def test_contract(tmp_path: Path) -> None:
    check_contract("{name}", tmp_path, paths=[Path(__file__).parents[1]], cache=default_cache())
'''

_README = """# {name}

{about}

```
bench check {name} --plugin {folder}
bench run --approach {name},prior --plugin {folder} --dataset phantom:tiny --folds 2
bench report
```

## Files

| file | contents |
|---|---|
{files}

## Where pixels come from

`fit` and `predict` get a cohort and a context.

```python
for study in cohort.studies:
    for series in study.of("Axial T2"):  # or "Sagittal T1", "Sagittal T2/STIR": none, one or several
        stack = context.volumes.array(series.series_id)  # (S, H, W), uint8 or uint16, read from the cache
        low, high = context.volumes.window(series.series_id).T  # (S,) 1st and 99th percentile of each slice
        mm_per_column, mm_per_row = series.spacings[0]  # spacing differs between studies
        plane = series.plane(0)  # to_world((x, y)) in mm: x to the patient's left, y to the back, z to the head
```

- Slices are in anatomical order: sagittal ones from the patient's right to left, axial ones from head to foot. This is
  not the order of DICOM instance numbers; `series.index_of(instance_number)` converts.
- `cohort.grades` is (N, 25), in the order of `bench.targets.TARGETS`: 0, 1, 2, and -1 without a label.
- `cohort.points` has the columns of `train_label_coordinates.csv`. Points are absent from `predict`.
- `study.nearest_slice(world, "Axial T2")` finds the slice next to a place in the patient, over all series of a kind.
- Some studies lack a kind of series, labels or points. Call `context.note(study_id, "...")` where you assume something.
"""


@click.group(short_help="Make the folder of a new approach.")
def command() -> None:
    """Make the folder of something new."""


@command.command("approach")
@click.argument("name")
@click.option(
    "--from", "start", default=DEFAULT_START, show_default=True, help="The approach to start from: its code is copied."
)
@options.output("The folder to make.", default="./NAME")
@options.plugins
def approach(name: str, start: str, out: Path | None, plugins: tuple[Path, ...]) -> int:
    """Make a folder for the approach NAME that keeps the contract and runs as it is.

    It has the code, a configuration, a preset, a test, and a README that says where pixels come from. From prior: a
    small classifier on crops, in about 150 lines with comments. From another approach: that one's code and presets.
    """
    from bench.plugins import find

    _check_name(name, plugin_paths(plugins))
    folder = out or Path(name)
    if folder.name != name:
        raise UsageError(f"-o {folder}: the folder's name is that of the approach. Write -o {folder.parent / name}.")
    if folder.exists():
        raise UsageError(f"{folder} exists already. Choose another NAME, or another place with -o.")
    make_approach(find("approaches", start, plugin_paths(plugins)), name, folder)
    echo(one_line(f"{folder}: approach {name}, from {start}"))
    echo(one_line(f"check it: bench check {name} --plugin {folder}"))
    echo(one_line(f"run it:   bench run --approach {name},prior --plugin {folder} --dataset phantom:tiny --folds 2"))
    return 0


def make_approach(start: Plugin, name: str, folder: Path) -> None:
    """Fill a folder with a copy of an approach under a new name, whole or not at all."""
    from bench.files.atomic import explained

    if start.path is None or not start.path.is_dir():
        raise UsageError(f"--from {start.name}: it is a single file or installed elsewhere. Copy it by hand.")
    source = start.path / TEMPLATE if (start.path / TEMPLATE).is_dir() else start.path
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    with explained(folder):
        shutil.rmtree(unfinished, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.md", ".*")
        shutil.copytree(source, unfinished, ignore=ignored)
        if source is not start.path:
            _rename_class(unfinished, name)
        (unfinished / "tests").mkdir()
        (unfinished / "tests" / f"test_{name}.py").write_text(_TEST.format(name=name), encoding="utf-8")
        (unfinished / "README.md").write_text(_readme(unfinished, start.name, name), encoding="utf-8")
        unfinished.rename(folder)


def _check_name(name: str, paths: tuple[Path, ...]) -> None:
    from bench.plugins import available

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} is no name for an approach. Use lower-case letters, digits and _, beginning with a letter: "
            "my_approach."
        )
    if name in available("approaches", paths):
        raise UsageError(f"there is an approach {name!r} already. Choose another name.")


def _rename_class(folder: Path, name: str) -> None:
    """Call the template's class, ``Template``, after the approach."""
    own = "".join(word.capitalize() for word in name.split("_"))
    for file in folder.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"\bTemplate(Config)?\b", rf"{own}\1", text), encoding="utf-8")


def _readme(folder: Path, start: str, name: str) -> str:
    """The README: commands, one line per file, and where pixels come from."""
    rows = []
    for file in sorted(folder.glob("*.py")):
        about = file.read_text(encoding="utf-8").partition('"""')[2].partition("\n")[0].removesuffix('"""').strip()
        rows.append(f"| `{file.name}` | {about} |")
    rows.append(f"| `tests/test_{name}.py` | the contract as a test; tests do not make stored results stale |")
    rows += [f"| `{file.name}` | the preset `{file.stem}` |" for file in sorted(folder.glob("*.toml"))]
    about = f"An approach of its own, begun from `{start}`."
    return _README.format(name=name, folder=name, about=about, files="\n".join(rows))
