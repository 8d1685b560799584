"""The members at work: each is loaded when it is its turn, predicts a batch of studies, and is dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench import plugins
from bench.approach import Predictions
from bench.data.cohort import Cohort
from bench.data.new_volumes import ReadStudies
from bench.errors import BenchError
from bench.jobs.context import Emit, JobContext
from bench.jobs.execute import seed_everything
from bench.jobs.folder import JobFolder
from bench.jobs.prediction.member import ANOTHER_SOURCE, Member, deciding
from bench.jobs.prediction.order import PredictionOrder
from bench.jobs.predictions import PredictionError, checked
from bench.jobs.split import STAGES

Notes = list[tuple[int, str]]


class Models:
    """The trained jobs of an order.

    Args:
        order: what to predict with.
        emit: told what happens.

    Raises:
        BenchError: the approach cannot be imported, or does not know the configuration it was trained with.
    """

    def __init__(self, order: PredictionOrder, emit: Emit) -> None:
        self.order = order
        self.emit = emit
        job = order.members[0].job
        plugin = plugins.find("approaches", job.approach, [Path(path) for path in order.plugins])
        self.approach_class = plugins.load_plugin(plugin)
        try:
            self.config = self.approach_class.Config.model_validate_json(job.config)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "configuration"
            raise BenchError(
                f"{job.approach} does not know the configuration that it was trained with ({where}: {first['msg']}). "
                f"{ANOTHER_SOURCE}"
            ) from error

    def predict(self, read: ReadStudies, folder: Path) -> list[tuple[Predictions, Notes]]:
        """What every member says of some studies, in the order of the studies, with its notes.

        Args:
            read: the studies.
            folder: where members may write; the caller removes it.

        Raises:
            PredictionError: a member returned something that is no prediction of these studies.
        """
        said = []
        for number, member in enumerate(self.order.members, start=1):
            if len(self.order.members) > 1:
                self.emit("stage", stage=f"model {number} of {len(self.order.members)} ({member.name})")
            said.append(self._predict(member, read, folder))
        return said

    def _predict(self, member: Member, read: ReadStudies, folder: Path) -> tuple[Predictions, Notes]:
        cohort = Cohort(read.studies)
        notes: Notes = []

        def emit(kind: str, **details: Any) -> None:
            if kind == "note":
                notes.append((details["study_id"], details["text"]))

        approach = self.approach_class.load(Path(member.checkpoint), self.config)
        context = self._context(member, read, folder, emit)
        seed_everything(context)
        try:
            return checked(approach.predict(cohort, context), cohort.study_ids), notes
        except PredictionError as error:
            raise PredictionError(f"{member.job.label}: {error}") from error

    def _context(self, member: Member, read: ReadStudies, folder: Path, emit: Emit) -> JobContext:
        """A context as the job had it, but for what is predicted and where it is written."""
        job, files = member.job, JobFolder(folder / member.name)
        files.resume.mkdir(parents=True, exist_ok=True)
        return JobContext(
            device=self.order.device,
            precision=self.order.precision,
            threads=self.order.threads,
            folder=files.path,
            resume=files.resume,
            volumes=read.volumes,
            all_studies=Cohort(()),
            identity={
                "job": f"{job.run_name}/{job.seed_name}/fold{job.fold}",
                "data": "new studies",
                "source": deciding(member.fingerprint),
                "seed": job.seed,
                "approach": job.approach,
                "fold": job.fold,
            },
            stages=folder / STAGES,
            shared_work=folder / "shared",
            emit=emit,
            by=job.approach,
            keeps_history=False,
        )
