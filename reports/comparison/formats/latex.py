"""The tables for a paper: LaTeX with booktabs and longtable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..model import Document, Section, Table

_APART = "\0"  # between hyphens, which would become a dash
_HYPHENS = re.compile("(?<=-)(?=-)")
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "·": r"$\cdot$",
    "\u202f": r"\,",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # at the start of a row it would be an argument of the line break before, as would the star
    "*": "{*}",
    _APART: "{}",
}
_PREAMBLE = (
    r"\documentclass[a4paper,landscape]{article}",
    r"\usepackage[T1]{fontenc}",
    r"\usepackage[utf8]{inputenc}",
    r"\usepackage[margin=1.5cm]{geometry}",
    r"\usepackage{booktabs,longtable,array}",
    r"\setlength{\LTcapwidth}{\linewidth}",
    r"\begin{document}",
)


def latex(documents: Sequence[Document]) -> str:
    """A document that compiles as it is; its tables can be taken out of it."""
    lines = [*_PREAMBLE, r"\section*{Comparison of approaches to grading lumbar spine MRI}"]
    for document in documents:
        lines += [rf"\section*{{{_plain(document.title)}}}", _plain(document.facts), ""]
        lines += [rf"\textbf{{{_plain(document.caveat)}}}", ""] if document.caveat else []
        lines += [_plain(document.lead), ""]
        for section in document.sections:
            lines += _section(section)
    return "\n".join([*lines, r"\end{document}"]) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield rf"\subsection*{{{_plain(section.title)}}}"
    for note in section.notes:
        yield from (_plain(note), "")
    if section.bullets:
        yield r"\begin{itemize}"
        yield from (rf"\item {_plain(note)}" for note in section.bullets)
        yield r"\end{itemize}"
    for table in section.tables:
        yield from _table(table)
    for line in section.code:
        yield from (rf"\texttt{{{_plain(line)}}}", "")


def _table(table: Table) -> Iterator[str]:
    width = max(0.03, round(0.8 / len(table.columns), 3))
    kinds = (
        rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}"
        if column.kind == "text"
        else rf">{{\raggedleft\arraybackslash}}p{{{width}\linewidth}}"
        for column in table.columns
    )
    yield r"{\scriptsize\setlength{\tabcolsep}{2pt}"
    yield rf"\begin{{longtable}}{{{''.join(kinds)}}}"
    yield rf"\caption{{{_plain(table.title)}. {_plain(table.caption)}}}\\"
    yield r"\toprule"
    yield " & ".join(_plain(column.name) for column in table.columns) + r" \\"
    yield r"\midrule \endhead"
    for row in table.rows:
        cells = (rf"\textbf{{{_plain(cell.text)}}}" if cell.strong else _plain(cell.text) for cell in row)
        yield " & ".join(cells) + r" \\"
    yield r"\bottomrule"
    yield r"\end{longtable}}"


def _plain(text: str) -> str:
    """A text that LaTeX takes as it is; what it cannot set becomes a question mark."""
    apart = _HYPHENS.sub(_APART, " ".join(text.replace(_APART, "?").split()))
    return "".join(_ESCAPES.get(one, one if one.isascii() and one.isprintable() else "?") for one in apart)
