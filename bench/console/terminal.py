"""The one way to the terminal: whatever is printed, foreign text in it has no control characters and forges no line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from bench.files.foreign import block, one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleRenderable


def terminal(*, stderr: bool = False, **settings: Any) -> Console:
    """A console on standard output or standard error that shows control characters as their codes.

    Args:
        stderr: on standard error.
        settings: further ones of rich's `Console`.
    """
    from rich.console import Console, ConsoleOptions, RenderableType, RenderHook, RenderResult
    from rich.measure import Measurement
    from rich.segment import Segment

    class Cleaned:
        """Something that is printed, without the control characters in its text; rich's own are kept apart."""

        def __init__(self, content: RenderableType) -> None:
            self.content = content

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for segment in console.render(self.content, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

        def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
            return Measurement.get(console, options, self.content)

    class Cleaning(RenderHook):
        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Cleaned(one) for one in renderables]

    console = Console(stderr=stderr, **settings)
    console.push_render_hook(Cleaning())
    return console


def line(console: Console, text: str, style: str = "") -> None:
    """Print one line as it is: no markup, not wrapped."""
    console.print(one_line(text), style=style or None, highlight=False, markup=False, soft_wrap=True)


def lines(console: Console, texts: Iterable[str]) -> None:
    """Print several lines as they are."""
    for text in texts:
        line(console, text)


def message(console: Console, text: str, style: str = "") -> None:
    """Print a message that may have several lines: those after the first are indented."""
    console.print(block(text), style=style or None, highlight=False, markup=False, soft_wrap=True)


def echo(text: str, *, err: bool = False) -> None:
    """Print plain text, which needs no console. Line ends in it stay."""
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    # What the terminal cannot encode (as an ASCII one) is shown as its code.
    click.echo(printable(text).encode(encoding, "backslashreplace").decode(encoding), err=err)


def echo_json(document: Any, *, indent: int | None = 1) -> None:
    """Print a JSON document on standard output; control characters in it are written as ``\\u00XX``."""
    click.echo(json.dumps(document, indent=indent, allow_nan=False).replace("\x7f", "\\u007f"))
