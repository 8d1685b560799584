"""``model.json``: what an exported model is, and what it was trained on."""

from __future__ import annotations

from typing import ClassVar

from bench.jobs.prediction.member import Member
from bench.jobs.result import Document


class ModelRecord(Document):
    """An exported model.

    Attributes:
        suite_version: of the suite that exported it.
        members: its trained jobs; checkpoints relative to the folder.
        caveat: what a reader must know of the data that it was trained on; None where nothing is known.
        studies: how many studies the data set has.
        parameters: floating-point values in the networks of one member.
        versions, hardware, precision: what it was trained with and on.
        files: files that the configuration names -> their copies in the folder.
        plugin: the copy of the plug-in's source in the folder; None for an approach of the suite or of a package.
    """

    cure: ClassVar[str] = "Export the model again with `bench export`."
    suite_version: str
    members: tuple[Member, ...]
    caveat: str | None
    studies: int
    parameters: int | None
    versions: dict[str, str]
    hardware: dict[str, str]
    precision: str | None
    files: dict[str, str]
    plugin: str | None
