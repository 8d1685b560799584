"""Notes on studies, excluded studies, jobs without a result, environment, commands."""

from __future__ import annotations

from bench.comparison.analysis import Analysis

from ..cells import nothing, study, text, whole, words_column
from ..model import Column, Section, Table


def provenance(analysis: Analysis) -> tuple[Section, ...]:
    """The last three sections."""
    return _notes(analysis), _jobs(analysis), _environment(analysis)


def _notes(analysis: Analysis) -> Section:
    comparison, tables = analysis.comparison, []
    if comparison.excluded:
        rows = tuple((study(number), text(reason)) for number, reason in comparison.excluded.items())
        tables.append(
            Table(
                "excluded",
                f"Excluded for all approaches ({len(rows)})",
                (words_column("study"), words_column("reason")),
                rows,
                open=len(rows) <= 10,
            )
        )
    if analysis.notes:
        columns = (
            words_column("note"),
            words_column("by"),
            Column("notes"),
            Column("studies"),
            words_column("such as"),
        )
        lines = tuple(
            (text(each.text), text(each.by), whole(each.count), whole(each.studies), text(", ".join(each.examples)))
            for each in analysis.notes
        )
        caption = "Alike notes together: # stands for a number, TARGET for a target."
        tables.append(Table("notes", "Notes on studies", columns, lines, caption, open=len(lines) <= 10))
    said = () if comparison.excluded else ("No study was excluded.",)
    return Section("notes", "Excluded studies and notes", said, tables=tuple(tables))


def _jobs(analysis: Analysis) -> Section:
    jobs = analysis.comparison.unfinished
    if not jobs:
        return Section("jobs", "Unscored jobs", ("Every job in the store is finished and readable.",))
    columns = (words_column("job"), words_column("status"), words_column("reason"))
    rows = tuple((text(job.label), text(job.status), text(job.reason) if job.reason else nothing()) for job in jobs)
    table = Table(
        "jobs",
        f"Jobs without a score ({len(jobs)})",
        columns,
        rows,
        "Failed, skipped, unfinished or damaged: left out of every figure.",
    )
    return Section("jobs", "Unscored jobs", tables=(table,))


def _environment(analysis: Analysis) -> Section:
    found = analysis.environment
    columns = (words_column("what"), words_column("value"))
    rows = tuple((text(name), text(value)) for name, value in found.common)
    tables = [Table("environment", "The same for all jobs", columns, rows, open=False)] if rows else []
    if found.differing:
        names = (words_column("approach"), *(words_column(name) for name in found.differing))
        lines = tuple((text(label), *(text(value) for value in values)) for label, values in found.rows)
        tables.append(Table("environment-differing", "Differences between jobs", names, lines))
    return Section("environment", "Environment and commands", tables=tuple(tables), code=found.commands)
