"""Predicted studies drawn on their slices: a PNG per study, or one HTML page that embeds them and opens offline."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.approach import Predictions
from bench.files.atomic import written_whole
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.prediction.results import DRAWINGS, PAGE, likely_grades
from bench.targets import LEVELS, POINT_COLUMNS, SEVERITIES, TARGETS

JPEG_QUALITY = 85
_STYLE = """body{margin:2rem auto;max-width:1200px;padding:0 1rem;font:15px/1.45 system-ui,sans-serif;color:#1c2430}
img{width:100%;height:auto;background:#000}table{border-collapse:collapse;margin:.6rem 0}
td,th{padding:.2rem .7rem;text-align:left;border-bottom:1px solid #d8dde5;font-weight:400}
th{color:#5a6675}.g1{background:#ffe9bf}.g2{background:#ffc9c9}section{margin:2.5rem 0}
p.about{color:#5a6675}small{color:#5a6675}"""


@dataclass(slots=True)
class _Drawn:
    study_id: int
    grades: NDArray[np.int8]
    likely: NDArray[np.float64]
    path: Path


class Drawing:
    """Draws studies as they are predicted, if the order asks for it."""

    def __init__(self, order: PredictionOrder) -> None:
        self.order = order
        self.drawn: list[_Drawn] = []
        self.folder = order.work / DRAWINGS

    def draw(self, study: Study, volumes: Volumes, predictions: Predictions) -> None:
        """Draw one study with its most probable grades and, if there are any, the located points."""
        if self.order.overlay == "none":
            return
        from bench.data.contact_sheet import draw_sheet  # matplotlib, only where something is drawn

        self.folder.mkdir(exist_ok=True)
        points = pd.DataFrame(columns=list(POINT_COLUMNS))
        if predictions.points is not None:
            points = predictions.points[predictions.points["study_id"] == study.study_id]
        own = predictions.probabilities[int(np.flatnonzero(predictions.study_ids == study.study_id)[0])]
        grades, likely = likely_grades(own)
        path = self.folder / f"study-{study.study_id}.png"
        draw_sheet(path, study, volumes, grades, points)
        if self.order.overlay == "html":
            path = _as_jpeg(path)
        self.drawn.append(_Drawn(study.study_id, grades, likely, path))

    def finish(self) -> None:
        """Put the page together, if one was asked for. It is written piece by piece: images need not fit in memory."""
        if self.order.overlay != "html":
            return
        with written_whole(self.order.work / PAGE) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(self._pieces())

    def _pieces(self) -> Iterator[str]:
        job, count = self.order.members[0].job, len(self.order.members)
        title = f"{job.approach}-{job.preset}: {len(self.drawn)} predicted studies"
        models = "1 trained model" if count == 1 else f"mean of {count} trained models"
        yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        yield f"<style>{_STYLE}</style><h1>{escape(title)}</h1>"
        yield (
            f'<p class="about">{models}, trained on {escape(job.dataset)}. Research software: not for diagnosis. '
            "A cell has the most probable grade and its probability, the metric's class weights 1, 2, 4 divided out. "
            "Circles are located points, in the colour of their grade.</p>"
        )
        for one in self.drawn:
            yield f'<section id="{one.study_id}"><h2>Study {one.study_id}</h2>'
            yield _table(one.grades, one.likely)
            image = base64.b64encode(one.path.read_bytes()).decode("ascii")
            yield f'<img alt="slices of study {one.study_id}" src="data:image/jpeg;base64,{image}"></section>\n'
        yield "</html>\n"


def _table(grades: NDArray[np.int8], likely: NDArray[np.float64]) -> str:
    head = "".join(f"<th>{level.upper().replace('_', '/')}</th>" for level in LEVELS)
    rows = [f"<tr><th></th>{head}</tr>"]
    for start in range(0, len(TARGETS), len(LEVELS)):
        cells = "".join(
            f'<td class="g{grades[at]}">{SEVERITIES[grades[at]]} <small>{likely[at]:.2f}</small></td>'
            for at in range(start, start + len(LEVELS))
        )
        rows.append(f"<tr><th>{TARGETS[start].condition_words}</th>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _as_jpeg(path: Path) -> Path:
    """The image as JPEG, a fifth of the size, in its place."""
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(stream, "JPEG", quality=JPEG_QUALITY)
    target = path.with_suffix(".jpg")
    target.write_bytes(stream.getvalue())
    path.unlink()
    return target
