"""What several trained jobs say of a study, as one: mean probabilities, one point per target, mean attention."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.approach import Predictions
from bench.imaging.study import Study
from bench.jobs.predictions import EVIDENCE_COLUMNS
from bench.targets import POINT_COLUMNS

_TARGET = ["study_id", "condition", "level"]


def averaged(members: Sequence[Predictions], studies: Sequence[Study]) -> Predictions:
    """The prediction of several members; of one member its own, unchanged.

    Args:
        members: of the same studies in the same order.
        studies: these studies, for the geometry of their points.
    """
    if len(members) == 1:
        return members[0]
    return Predictions(
        members[0].study_ids,
        np.mean([one.probabilities for one in members], axis=0),
        _central_points([one.points for one in members if one.points is not None], studies),
        _mean_evidence([one.evidence for one in members if one.evidence is not None], len(members)),
    )


def _central_points(tables: Sequence[pd.DataFrame], studies: Sequence[Study]) -> pd.DataFrame | None:
    """Per target the point with the smallest summed distance in the patient to those of the other members.

    It is one of the members' points, so that it lies on a slice that exists.
    """
    if not tables:
        return None
    by_id = {study.study_id: study for study in studies}
    whole = pd.concat([table[list(POINT_COLUMNS)] for table in tables], ignore_index=True)
    chosen = []
    for _, rows in whole.groupby(_TARGET, sort=False):
        world = np.array([_world(by_id, row) for row in rows.to_dict("records")])
        distances = np.linalg.norm(world[:, None] - world[None], axis=-1).sum(axis=1)
        chosen.append(rows.index[int(np.argmin(distances))])
    return whole.loc[chosen].reset_index(drop=True)


def _world(studies: Mapping[int, Study], row: Mapping[Hashable, Any]) -> NDArray[np.float64]:
    """(3,) where a point lies in the patient, in mm."""
    series = studies[int(row["study_id"])].get(int(row["series_id"]))
    plane = series.plane(series.index_of(int(row["instance_number"])))
    return np.asarray(plane.to_world([row["x"], row["y"]]), dtype=np.float64)


def _mean_evidence(tables: Sequence[pd.DataFrame], members: int) -> pd.DataFrame | None:
    """The mean weight of every slice; 0 for a member that does not name it."""
    if not tables:
        return None
    whole = pd.concat([table[list(EVIDENCE_COLUMNS)] for table in tables], ignore_index=True)
    summed = whole.groupby(list(EVIDENCE_COLUMNS[:3]), sort=False, as_index=False)["weight"].sum()
    return summed.assign(weight=summed["weight"] / members)
