"""The report as Markdown: every section and table as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.files.foreign import printable

from ..model import Document, Section, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def markdown(documents: Sequence[Document]) -> str:
    """Figures and the case viewer are left out; `bench report --figures` and the page have them."""
    lines = ["# Comparison of approaches to grading lumbar spine MRI", ""]
    lines += ["Weighted log loss of the RSNA 2024 task, the mean of four parts; lower is better.", ""]
    for document in documents:
        lines += [f"## {_plain(document.title)}", "", document.facts, ""]
        lines += [f"> {_plain(document.caveat)}", ""] if document.caveat else []
        lines += [_plain(document.lead), ""]
        for section in document.sections:
            lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> Iterator[str]:
    yield from (f"### {section.title}", "")
    for note in section.notes:
        yield from (_plain(note), "")
    if section.bullets:
        yield from (f"- {_plain(note)}" for note in section.bullets)
        yield ""
    for table in section.tables:
        yield from _table(table)
    for line in section.code:
        fence = "`" * (max([2, *map(len, re.findall("`+", line))]) + 1)
        yield from (fence, " ".join(printable(line).split("\n")), fence, "")


def _table(table: Table) -> Iterator[str]:
    yield from (f"#### {_plain(table.title)}", "")
    if table.caption:
        yield from (_plain(table.caption), "")
    yield "| " + " | ".join(_plain(column.name) for column in table.columns) + " |"
    yield "|" + "|".join("---" if column.kind == "text" else "--:" for column in table.columns) + "|"
    for row in table.rows:
        cells = (f"**{_plain(cell.text)}**" if cell.strong else _plain(cell.text) for cell in row)
        yield "| " + " | ".join(cells) + " |"
    yield ""


def _plain(text: str) -> str:
    """A text on one line that Markdown takes as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))
