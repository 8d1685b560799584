from __future__ import annotations

import numpy as np
import pytest
from contrasts import measured, summary

# Medians of a handful of studies, within the ranges of the README's table
EXPECTED = {
    "T2, CSF to posterior annulus": (6.0, 20.0),
    "T2, CSF to healthy nucleus": (1.3, 2.6),
    "T2, CSF to degenerated disc": (2.6, 9.0),
    "T2, subcutaneous fat to muscle": (1.6, 8.0),
    "T1, foraminal fat to root": (1.6, 3.0),
    "T1, subcutaneous fat to muscle": (1.4, 3.0),
    "T2, signal to noise of CSF": (10.0, 100.0),
}


@pytest.fixture(scope="module")
def studies() -> list[dict[str, float]]:
    return [measured(3, index) for index in range(5)]


def test_contrasts_on_scans_are_those_of_published_relaxation_times(studies: list[dict[str, float]]) -> None:
    found = {name: middle for name, count, (_, middle, _) in summary(studies) if count}
    for name, (low, high) in EXPECTED.items():
        if name in found:
            assert low < found[name] < high, name
    assert len(found) >= 8


def test_on_t1_the_disc_hides_the_sac(studies: list[dict[str, float]]) -> None:
    """Within a third of each other on T1, far apart on T2."""
    t1 = [study["T1, CSF to posterior annulus"] for study in studies if "T1, CSF to posterior annulus" in study]
    t2 = [study["T2, CSF to posterior annulus"] for study in studies if "T2, CSF to posterior annulus" in study]
    assert 0.6 < np.median(t1) < 1.4
    assert np.median(t2) > 5
