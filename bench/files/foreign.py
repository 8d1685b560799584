"""Foreign text on its way out: names, headers, notes and plug-ins' words, made safe for a terminal and for CSV.

Control characters can move the cursor, change a terminal's title or forge a line; a cell that begins like a formula is
run by a spreadsheet. Every way out of the project goes through here: the screen by `bench.console.terminal`.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_KEPT = "\n\t\u200c\u200d\xad"  # joiners shape letters in some scripts
# What a spreadsheet takes for the beginning of a formula; the last four are the full-width forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_QUOTE = "'"


def printable(text: str) -> str:
    """A text without control characters; line ends and tabs stay.

    What cannot be shown becomes its code, such as ``\\x1b``; a byte of a file name that is no UTF-8, such as ``\\xe9``.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _KEPT else _shown(one) for one in text)


def one_line(text: str) -> str:
    """The same on one line: line ends become ``\\n`` in two characters."""
    return printable(text.strip("\n").replace("\n", "\\n").replace("\t", " "))


def block(text: str) -> str:
    """The same with lines after the first indented, so that none of them passes for a message of its own."""
    return printable(text.strip("\n")).replace("\n", "\n    ")


def csv_cell(value: Any) -> Any:
    """A value for a CSV table: a text is on one line, and no spreadsheet takes it for a formula. Numbers stay."""
    if not isinstance(value, str):
        return value
    text = one_line(value.replace("\r", "\n"))
    return _QUOTE + text if text.lstrip(_QUOTE).startswith(_FORMULA) and not _is_number(text) else text


def from_csv_cell(text: str) -> str:
    """The text that `csv_cell` put an apostrophe before."""
    rest = text.removeprefix(_QUOTE)
    return rest if rest != text and rest.lstrip(_QUOTE).startswith(_FORMULA) else text


def _shown(one: str) -> str:
    code = ord(one)
    if unicodedata.category(one) == "Zs":  # spaces that do not break
        return one
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that it cannot decode
        return f"\\x{code - 0xDC00:02x}"
    return one.encode("unicode_escape").decode("ascii")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
