"""Where the predictions of an approach come from if they were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from bench.jobs.result import Imported, SourceFile
from bench.jobs.store import StoredJob
from bench.targets import CONDITIONS


def imported_from(jobs: Sequence[StoredJob]) -> Imported | None:
    """The sources and counts of these folds and seeds together; None if any of them was run here."""
    found = [job.result.imported for job in jobs]
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return None
    folds = {each.folds for each in known}
    return Imported(
        files=tuple(dict.fromkeys(file for each in known for file in each.files)),
        folds=next(iter(folds)) if len(folds) == 1 else None,
        rows=sum(each.rows for each in known),
        filled=sum(each.filled for each in known),
        filled_labelled=sum(each.filled_labelled for each in known),
        filled_by_condition={name: sum(each.filled_by_condition[name] for each in known) for name in CONDITIONS},
    )


def imported_notes(imported: Imported) -> list[str]:
    """The same for a reader."""
    missing = "no row was missing"
    if imported.filled:
        by_condition = ", ".join(f"{name} {count:,}" for name, count in imported.filled_by_condition.items() if count)
        missing = (
            f"{imported.filled:,} of {imported.rows:,} rows were missing ({imported.filled_labelled:,} of them "
            f"labelled) and filled by the class prior of the other folds: {by_condition}"
        )
    checked = "no fold file was given, so it was not checked that these predictions are out of fold"
    if imported.folds is not None:
        checked = f"folds from {_named(imported.folds)}: no study is in two of them"
    files = ", ".join(map(_named, imported.files))
    return [f"imported from {files}; {missing}; costs unknown", checked]


def _named(file: SourceFile) -> str:
    return f"{file.name} (sha256 {file.sha256[:12]})"
