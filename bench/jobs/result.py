"""The JSON documents of a store: typed, versioned, and read with the cure where one is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import BenchError
from bench.files.atomic import write_text
from bench.files.regular import NotAFileError, read_bytes
from bench.jobs.job import Job

SCHEMA_VERSION = 2
READABLE = (1, SCHEMA_VERSION)


class DamagedFileError(BenchError):
    """A file of the store is not what was written there."""


class Document(BaseModel):
    """Base of what a store keeps as JSON.

    Attributes:
        schema_version: the version that was read; `write` always writes the current one.
    """

    model_config = ConfigDict(frozen=True)
    cure: ClassVar[str] = "Run the same `bench run` again: the job is set aside and made anew."
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The document of a file, or None where there is none.

        Raises:
            DamagedFileError: it is no JSON, has another shape, or a schema that this release does not know.
        """
        try:
            return cls.parse(read_bytes(path), path)
        except FileNotFoundError:
            return None
        except NotAFileError as error:
            raise DamagedFileError(f"{error} {cls.cure}") from error

    @classmethod
    def parse(cls, text: bytes, path: Path) -> Self:
        """The document that a text is; ``path`` is for the message. Raises DamagedFileError."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            what = "it is empty" if not text.strip() else f"no JSON: {error}"
            raise DamagedFileError(f"{path} is damaged ({what}). {cls.cure}") from error
        if not isinstance(values, dict):
            raise DamagedFileError(f"{path} is damaged (a {type(values).__name__}, not a JSON object). {cls.cure}")
        version = values.get("schema_version", 1)
        if version not in READABLE:
            raise DamagedFileError(
                f"{path} has schema version {version!r}; this release reads {' and '.join(map(str, READABLE))}. "
                f"Read it with the release that wrote it. {cls.cure}"
            )
        try:
            return cls.model_validate(cls.migrated(values, version))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "document"
            raise DamagedFileError(f"{path} is damaged ({where}: {first['msg']}). {cls.cure}") from error

    @classmethod
    def migrated(cls, values: dict[str, Any], version: int) -> dict[str, Any]:
        """The values of an older schema in the current one. Whatever version 1 lacked has a default."""
        return {**values, "schema_version": version}

    def document(self) -> dict[str, Any]:
        """What is written, in the current schema."""
        return self.model_dump(mode="json") | {"schema_version": SCHEMA_VERSION}

    def text(self) -> str:
        """The same as the text that `write` writes."""
        text = json.dumps(self.document(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        return text.encode("utf-8", "backslashreplace").decode("utf-8")  # bytes of a path that are no UTF-8, as \udcXX

    def write(self, path: Path) -> None:
        """Write the document whole or not at all."""
        write_text(path, self.text())


class JobRecord(Document):
    """``job.json``: what a folder is for, written before any work is done in it.

    Attributes:
        job: the job.
        fingerprint: what it is made from, part by part (`bench.jobs.fingerprint`).
        threads: how many threads it was given.
    """

    job: Job
    fingerprint: dict[str, Any]
    threads: int


class Failure(Document):
    """``failed.json``: why a job has no result."""

    status: Literal["failed", "skipped"] = "failed"
    reason: str


class Score(BaseModel):
    """A score and its four parts, by the names of `bench.metric.PARTS`; None where no study has a label for it."""

    model_config = ConfigDict(frozen=True)
    score: float | None = None
    parts: dict[str, float | None] = {}


class SourceFile(BaseModel):
    """A file that was read: its name and the sha256 of its contents."""

    model_config = ConfigDict(frozen=True)
    name: str
    sha256: str


class Imported(BaseModel):
    """Where the predictions of a fold come from if they were made elsewhere.

    Attributes:
        files: the submission files that were joined.
        folds: the fold file that came with them; None if none was given, so that leakage was not checked.
        rows: how many rows the fold has.
        filled: how many of these no file had: filled by the class prior of the other folds.
        filled_labelled: those of them that are scored.
        filled_by_condition: all filled rows by condition.
    """

    model_config = ConfigDict(frozen=True)
    files: tuple[SourceFile, ...]
    folds: SourceFile | None = None
    rows: int
    filled: int
    filled_labelled: int
    filled_by_condition: dict[str, int]


class StoredForecast(BaseModel):
    """The forecast of one job (`bench.training.forecast`): what it costs to fit and to predict all graded studies.

    Attributes:
        training_multiply_adds, prediction_multiply_adds: of all samples; backward counts as two forward passes.
        parameters: of all networks.
        gpu_memory_mb, memory_mb: of the device, and main memory beside it, where it computes on a GPU in `precision`.
        stored_mb, working_mb: disk for weights, and more that is free again when the job is done.
        shared_mb: disk for files of shared work, for all jobs together.
        slices: that are read.
    """

    model_config = ConfigDict(frozen=True)
    training_multiply_adds: float
    prediction_multiply_adds: float
    parameters: int
    gpu_memory_mb: float
    memory_mb: float
    stored_mb: float
    working_mb: float
    shared_mb: float = 0.0
    slices: float
    precision: str


class Result(Document):
    """``result.json``: scores of a finished job, what they cost and what made them.

    Attributes:
        score, parts: of the held-out studies.
        true_points: the score of the true-point pass; None without one.
        localisation: what `bench.metric.localisation.document` returned; None without located points.
        studies: how many studies were held out.
        config: the resolved configuration.
        fingerprint: what the job was made from.
        fit_seconds, fit_cpu_seconds: of training, stages that another job had trained included; fit_seconds is None
            for imported predictions.
        predict_seconds, predict_cpu_seconds: of predicting; likewise.
        shared_seconds, shared_cpu_seconds: the part of these that is label-free shared work, whoever did it.
        peak_memory_mb: largest resident memory of the process and what it started; None where the system does not
            tell.
        peak_gpu_memory_mb: most memory reserved on the GPU, since the job was last resumed; None without a GPU.
        parameters: floating-point values in the saved networks.
        multiply_adds_per_study: of one prediction; None without torch.
        forecast: what the job was forecast to cost; None where the approach does not tell its networks.
        threads, jobs_beside, precision, versions, hardware, command: how it was run.
        in_process: whether it ran in the process that asked for it, such as a notebook's: peak memory is then that of
            all which this process had done.
        imported: where predictions that were made elsewhere come from; None for a job that was run.
    """

    status: Literal["done"] = "done"
    score: float | None = None
    parts: dict[str, float | None] = {}
    true_points: Score | None = None
    localisation: dict[str, Any] | None = None
    studies: int = 0
    config: dict[str, Any] = {}
    fingerprint: dict[str, Any] = {}
    fit_seconds: float | None
    fit_cpu_seconds: float = 0.0
    predict_seconds: float | None
    predict_cpu_seconds: float = 0.0
    shared_seconds: float = 0.0
    shared_cpu_seconds: float = 0.0
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    parameters: int | None = None
    multiply_adds_per_study: int | None = None
    forecast: StoredForecast | None = None
    threads: int | None = None
    jobs_beside: int | None = None
    precision: str | None = None
    versions: dict[str, str] = {}
    hardware: dict[str, str | int] = {}
    command: str = ""
    in_process: bool = False
    imported: Imported | None = None

    @property
    def seconds(self) -> float | None:
        """Of training and predicting; None where they are unknown."""
        if self.fit_seconds is None or self.predict_seconds is None:
            return None
        return self.fit_seconds + self.predict_seconds


class DoneMark(Document):
    """``done``: the last file of a finished job.

    Attributes:
        files: name -> the sha256 that it may have; None where it may be absent. Two while a job is scored anew.
    """

    files: dict[str, list[str | None]]


class SplitRecord(Document):
    """``dataset.json``: what is known of the data and the split.

    Attributes:
        dataset: as the user named it.
        caveat: what a reader must know of the data (`bench.dataset.DataSet.caveat`); None where nothing is known.
        folder: the data folder.
        data_hash, fold_hash: what tells this data and this split from others.
        studies: how many the cohort has.
        excluded: studies that are left out, each with its reason.
        faults: how many faults the files have.
        files: sha256 of the files beside it; empty in stores of schema version 1.
    """

    cure: ClassVar[str] = "Run the same `bench run` again: it is written anew."
    dataset: str = ""
    caveat: str | None = None
    folder: str = ""
    data_hash: str = ""
    fold_hash: str = ""
    studies: int = 0
    excluded: dict[int, str] = {}
    faults: int = 0
    files: dict[str, str] = {}
