"""The kind of a series without a description file: by the orientation of its slices and how they are weighted.

Weighting follows from echo and inversion times if the files have them, else from the names of series and sequence.
Limits are those of spine protocols at 1.5 and 3 T: T1 has short echoes (under 30 ms), T2 long ones (60 ms and more),
STIR inverts and waits 100 to 250 ms; a short echo after a repetition time of 1.8 s and more may be proton density.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.imaging.dicom.header import Header
from bench.imaging.geometry import orientation_name
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

_KINDS = {
    ("sagittal", "T1"): SAGITTAL_T1,
    ("sagittal", "T2"): SAGITTAL_T2,
    ("sagittal", "STIR"): SAGITTAL_T2,
    ("axial", "T2"): AXIAL_T2,
}
_LOCALISER = re.compile(r"locali[sz]er|\bloc\b|scout|survey|3[ -]?plane|\bsmart ?brain\b")
# Long echoes as T2 has, but no slices of anatomy.
_OTHERS = {
    "diffusion": re.compile(r"diff(?!er|ic|use)|dwi|\bdti\b|\badc\b|tracew|\bep b[0-9]"),
    "a mosaic": re.compile(r"\bmosaic\b"),
    "perfusion or functional": re.compile(r"perf|\basl\b|\bbold\b|fmri|\bmoco"),
    "echo-planar": re.compile(r"\bep2d\b|\bepi\b|\bep\b"),
    "a projection": re.compile(r"\bmip\b|projection image|myelo"),
}
_NEVER_ANATOMY = {kind: _OTHERS[kind] for kind in ("diffusion", "a mosaic")}
_NAMED = {"STIR": re.compile(r"stir|tirm"), "T1": re.compile(r"t1(?![0-9])"), "T2": re.compile(r"t2(?![0-9])")}
_SHORT_ECHO_MS, _LONG_ECHO_MS = 30.0, 60.0
_LONG_WAIT_MS = 1800.0
_STIR_INVERSION_MS = (100.0, 250.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind that a series is taken for.

    Attributes:
        description: one of `bench.targets.SERIES_DESCRIPTIONS`, or "" for any other kind.
        why: the reason, for notes and messages.
    """

    description: str
    why: str


def kind_of(headers: Sequence[Header]) -> Kind:
    """The kind of a series, from the headers of all its files."""
    frames = [frame for header in headers for frame in header.frames]
    planes = Counter(orientation_name(*frame.orientation) for frame in frames if frame.orientation is not None)
    names = " ".join(sorted({header.names for header in headers}))
    if (other := _other_kind(names, {"a localiser": _LOCALISER, **_OTHERS})) is not None:
        return Kind("", other)
    if not planes:
        return Kind("", "no orientation")
    if len(planes) > 1:
        return Kind(
            "", f"slices in several planes ({', '.join(sorted(planes))}): a localiser, or several series in one"
        )
    (plane,) = planes
    weighting, why = _weighting(headers, names)
    if not weighting:
        return Kind("", f"{plane}; {why}")
    description = _KINDS.get((plane, weighting), "")
    return Kind(description, f"{plane} {weighting} by {why}")


def unlike_its_description(headers: Sequence[Header]) -> str | None:
    """What a series is by its headers, if no table can make it one to train on: most files say diffusion or mosaic."""
    found = Counter(_other_kind(header.names, _NEVER_ANATOMY) for header in headers)
    what, count = found.most_common(1)[0]
    return what if 2 * count > len(headers) else None


def _other_kind(names: str, patterns: Mapping[str, re.Pattern[str]]) -> str | None:
    """The kind whose pattern the names contain, and the word that says so."""
    words = names.replace("_", " ")
    found = ((kind, pattern.search(words)) for kind, pattern in patterns.items())
    return next((f"{kind} by its name ({word.group()})" for kind, word in found if word), None)


def _weighting(headers: Sequence[Header], names: str) -> tuple[str, str]:
    """``T1``, ``T2``, ``STIR`` or "", and the reason."""
    named = next((weighting for weighting, pattern in _NAMED.items() if pattern.search(names)), "")
    echo = _median([frame.echo_time_ms for header in headers for frame in header.frames])
    inversion = _median([header.inversion_time_ms for header in headers])
    timed = ""
    if _STIR_INVERSION_MS[0] <= inversion <= _STIR_INVERSION_MS[1]:
        timed, reason = "STIR", f"inversion time {inversion:g} ms"
    elif 0 < echo <= _SHORT_ECHO_MS and _median([header.repetition_time_ms for header in headers]) >= _LONG_WAIT_MS:
        # Proton density, or T1 with an inversion time that the files do not give.
        long = f"echo time {echo:g} ms after a long repetition time"
        return (named, f"its name, at {long}") if named else ("", f"{long}: perhaps proton density")
    elif 0 < echo <= _SHORT_ECHO_MS:
        timed, reason = "T1", f"echo time {echo:g} ms"
    elif echo >= _LONG_ECHO_MS:
        timed, reason = "T2", f"echo time {echo:g} ms"
    if timed and named and _family(timed) != _family(named):
        return timed, f"{reason}, although its name says {named}"
    if timed:
        return timed, reason
    if named:
        return named, "its name, as it has no echo time"
    return "", "neither echo time nor name gives its weighting"


def _family(weighting: str) -> str:
    return "T2" if weighting == "STIR" else weighting


def _median(values: Sequence[float]) -> float:
    """The median of the known, positive values; NaN, which no limit contains, if there is none."""
    known = [value for value in values if value > 0]
    return float(np.median(known)) if known else float("nan")
