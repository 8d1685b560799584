"""What is to be predicted with what. Pure data, handed to the process that predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bench.jobs.prediction.member import Member

Overlay = Literal["none", "png", "html"]


class PredictionOrder(BaseModel):
    """What is to be predicted with what.

    Attributes:
        members: trained jobs of one approach; their predictions are averaged.
        data: the folder of new studies.
        sample: a submission whose row order is kept; None for studies in ascending order.
        overlay: whether studies are drawn, as PNG files or as one HTML page.
        work: an empty folder for pixels and results, which the caller removes.
        log: what the approach prints.
        plugins: files and folders of plug-ins.
        device, precision: as for a job.
        threads: how many threads and decoding processes may be busy.
    """

    model_config = ConfigDict(frozen=True)
    members: tuple[Member, ...]
    data: Path
    sample: Path | None = None
    overlay: Overlay = "none"
    work: Path
    log: Path
    plugins: tuple[str, ...] = ()
    device: str = "cpu"
    precision: str = "auto"
    threads: int = 1
