"""``bench data show``: a study's contact sheet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import DEFAULT_DATASET, cache_folder, plugin_paths
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.dataset import DataSet


@click.command(short_help="Draw a study's contact sheet.")
@click.argument("study", type=int)
@options.dataset_unless_data
@options.data
@options.output("The PNG to write.", default="study-STUDY.png")
@options.cache_dir
@options.plugins
def command(
    study: int,
    dataset: str | None,
    data: Path | None,
    out: Path | None,
    cache_dir: Path | None,
    plugins: tuple[Path, ...],
) -> int:
    """Draw STUDY on one page: slices of three planes, the annotators' points, the grades.

    STUDY is a study id, or a number below 1000: then it counts the studies in ascending order of their ids, from 0.
    --data alone may name any folder in the competition's layout.
    """
    from bench import plugins as registry
    from bench.console.screen import Screen
    from bench.console.terminal import echo, terminal
    from bench.data.cohort import grades_of
    from bench.data.contact_sheet import draw_sheet
    from bench.data.folder import check_folder
    from bench.data.tables import read_tables
    from bench.files.atomic import written_whole
    from bench.files.in_place import is_written_in_place
    from bench.imaging.preparation import prepare

    cache = cache_folder(cache_dir)
    jobs = os.cpu_count() or 1
    with Screen(terminal(stderr=True)) as screen:
        folder = data
        if dataset is not None or data is None:
            name, _, preset = (dataset or DEFAULT_DATASET).partition(":")
            source: DataSet = registry.load("datasets", name, plugin_paths(plugins))()
            folder = source.locate(preset=preset or None, data=data, cache=cache, jobs=jobs, progress=screen.prepare)
        assert folder is not None
        check_folder(folder)
        tables = read_tables(folder)
        number = _study_number(study, [int(one) for one in tables.labels.index], folder)
        series = tables.series[tables.series["study_id"] == number]
        prepared = prepare(folder, series, cache=cache, jobs=1, progress=screen.prepare)
    found = [one for one in prepared.studies if one.study_id == number]
    if not found:
        why = "; ".join(f"{fault.path}: {fault.what}" for fault in prepared.faults[:3]) or "it has no series"
        raise UsageError(f"study {number} of {folder} has no readable image ({why}).")
    path = out or Path(f"study-{number}.png")
    points = tables.points[tables.points["study_id"] == number]
    if path.is_dir():
        raise UsageError(f"-o {path}: this is a folder. Name a file, such as {path / f'study-{number}.png'}.")
    with written_whole(path, named_by_user=True) as temporary:
        draw_sheet(temporary, found[0], prepared.volumes, grades_of(tables.labels.loc[[number]])[0], points)
    echo(str(path), err=is_written_in_place(path))
    return 0


def _study_number(study: int, known: list[int], folder: Path) -> int:
    if study in known:
        return study
    if 0 <= study < min(len(known), 1000):
        return sorted(known)[study]
    raise UsageError(
        f"there is no study {study} in {folder}, which holds {len(known)} studies: "
        f"{', '.join(map(str, sorted(known)[:3]))}, ... "
        f"Give one of these ids, or a number from 0 to {min(len(known), 1000) - 1}."
    )
