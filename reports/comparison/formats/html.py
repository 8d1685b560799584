"""One HTML file with its script inlined, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import bench

from ..model import Document, Value
from ..viewer import Viewer

HERE = Path(__file__).parent.parent
ASSETS = HERE / "assets"
# The basic bundle of plotly.js 4.1.1 (MIT, 1.2 MB) draws points, lines and bars, which is all that the figures need.
SCRIPTS = ("plotly-basic.min.js", "figures.js", "tables.js", "viewer.js")


def html(documents: Sequence[Document], viewers: Sequence[Viewer]) -> str:
    """The page as text. Everything that comes from a store is escaped; only these scripts may run."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"json": _json, "raw": _raw, "unbroken": _unbroken}
    scripts = [f"\n{(ASSETS / name).read_text(encoding='utf-8')}" for name in SCRIPTS]
    return environment.get_template("page.html.j2").render(
        documents=documents,
        viewers=viewers,
        style=(ASSETS / "style.css").read_text(encoding="utf-8"),
        scripts=scripts,
        hashes=Markup(" ".join(f"'sha256-{_hash(script)}'" for script in scripts)),
        version=bench.__version__,
    )


def _hash(script: str) -> str:
    """What the page's policy allows to run: the hash of a script element's text."""
    return base64.b64encode(hashlib.sha256(f"{script}".encode()).digest()).decode()


def _json(value: Any) -> Markup:
    """A document for a script element; nothing in it can end that element."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    text = json.dumps(_finite(plain), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _raw(value: Value) -> str:
    """What a cell is sorted by, as JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _unbroken(line: str) -> Markup:
    """A command whose options are not broken after their hyphens at the end of a line."""
    options = (
        Markup("<span>{}</span>").format(word) if word.startswith("-") else escape(word) for word in line.split(" ")
    )
    return Markup(" ").join(options)


def _finite(value: Any) -> Any:
    """The same with null for numbers that do not exist; floats to six digits, so that pages stay small."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
