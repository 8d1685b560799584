"""The card of an exported model: what was trained on what, how well it scored, and how to use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from bench.jobs.config import canonical
from bench.jobs.prediction.member import deciding
from bench.jobs.prediction.model_record import ModelRecord


def card(record: ModelRecord) -> str:
    """The card as Markdown."""
    job = record.members[0].job
    caveat = f"\n\n**{record.caveat[0].upper()}{record.caveat[1:]}.**" if record.caveat else ""
    return (
        "\n\n".join(
            [
                f"# {job.approach}-{job.preset}, trained on {job.dataset}",
                f"Grades 25 targets of a lumbar spine MRI study as Normal/Mild, Moderate or Severe. {_members(record)}"
                f"{caveat}\n\nResearch software. It is not a medical device and not for diagnosis.",
                "## Use",
                f"```\n{_command(record)}\n```",
                "Probabilities carry the metric's class weights 1, 2, 4: divide them out before you read them as "
                "probabilities of a grade. Studies that a model was trained on are named in the notes; for these its "
                "grades are no independent prediction.",
                "## Training",
                _table(_training(record)),
                "## Score",
                "The competition's weighted log loss on each model's held-out studies; lower is better. The mean of "
                "the models has no score: every study of that data set is known to some of them.",
                _table(
                    _scores(record), head=("model", "seed", "held-out fold", "trained on", "held-out studies", "score")
                ),
                "## Versions",
                _table([*record.versions.items(), *record.hardware.items()]),
                "## Fingerprint",
                "Parts of the source that decide a prediction. `bench predict` refuses the model where they differ.",
                _table([("all", fingerprint_digest(record)), *((k, f"`{v}`") for k, v in _parts(record).items())]),
                "## Configuration",
                f"```json\n{json.dumps(json.loads(job.config), indent=1, sort_keys=True)}\n```",
            ]
        )
        + "\n"
    )


def fingerprint_digest(record: ModelRecord) -> str:
    """The first digits of a hash over source and configuration: equal for models that predict by the same code."""
    text = canonical({"source": _parts(record), "config": record.members[0].job.config})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parts(record: ModelRecord) -> dict[str, str]:
    return {name: str(value)[:16] for name, value in deciding(record.members[0].fingerprint).items()}


def _members(record: ModelRecord) -> str:
    count = len(record.members)
    return "It is one trained model." if count == 1 else f"Its prediction is the mean of {count} trained models."


def _command(record: ModelRecord) -> str:
    plugin = f" --plugin FOLDER/{record.plugin}" if record.plugin else ""
    return f"bench predict --model FOLDER --data DICOM_FOLDER -o submission.csv{plugin}"


def _training(record: ModelRecord) -> list[tuple[str, str]]:
    job = record.members[0].job
    fraction = "all" if job.train_fraction == 1 else f"{job.train_fraction:g}"
    return [
        ("approach", job.approach),
        ("preset", job.preset),
        ("data set", job.dataset),
        ("data hash", f"`{job.data_hash[:16]}`"),
        ("studies in the data set", f"{record.studies:,}"),
        ("split", f"{job.folds} folds, hash `{job.fold_hash[:16]}`"),
        ("share of training studies used", fraction),
        ("configuration hash", f"`{job.config_hash[:16]}`"),
        ("parameters per model", "unknown" if record.parameters is None else f"{record.parameters:,}"),
        ("precision", record.precision or "unknown"),
        ("exported by", f"rsna-lumbar-bench {record.suite_version}"),
    ]


def _scores(record: ModelRecord) -> list[tuple[str, ...]]:
    return [
        (
            member.name,
            str(member.job.seed),
            f"{member.job.fold} of {member.job.folds}",
            f"{len(member.trained_on):,} studies",
            f"{member.held_out:,}",
            "none" if member.score is None else f"{member.score:.4f}",
        )
        for member in record.members
    ]


def _table(rows: Sequence[Sequence[str]], head: Sequence[str] = ("", "")) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
