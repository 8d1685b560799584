from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.files.names import MOST_BYTES, plain_name, shortened
from bench.jobs.job import Job

JOB = Job("mil", "quick", "{}", "phantom:small", "data", "d" * 64, 5, "f" * 64, 0)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "a\0"])
def test_no_name_leads_elsewhere(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a folder"):
        plain_name(name)


def test_names_of_any_other_bytes_are_kept() -> None:
    for name in ("mil-quick", "größe", "..x", "a b", os.fsdecode(b"caf\xe9")):
        assert plain_name(name) == name == shortened(name)


@pytest.mark.parametrize(
    "job",
    [
        replace(JOB, preset="../../../outside"),
        replace(JOB, approach="/etc"),
        replace(JOB, dataset="phantom:../../x"),
        replace(JOB, data_hash="../../"),
        replace(JOB, fold_hash="/../"),
    ],
)
def test_no_job_lands_outside_its_store(job: Job) -> None:
    with pytest.raises(UsageError, match="cannot name a folder"):
        job.folder_in(Path("runs"))


@pytest.mark.parametrize("letter", ["x", "é", os.fsdecode(b"\xe9")])
def test_long_names_are_cut_and_stay_different(letter: str) -> None:
    one, other = shortened(letter * 300), shortened(letter * 301)
    assert one != other
    assert max(len(os.fsencode(name)) for name in (one, other)) <= MOST_BYTES
    long = replace(JOB, approach=letter * 250, dataset=letter * 250)
    assert all(len(os.fsencode(part)) <= 255 for part in long.folder_in(Path("runs")).parts)
