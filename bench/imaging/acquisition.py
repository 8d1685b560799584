"""One acquisition out of a series that holds several: copies, echoes, time points, and slices without a place.

Only for series of a kind that approaches use; slices are compared by the place of their middle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from bench.imaging.faults import Fault
from bench.imaging.repair import Repair
from bench.imaging.slices import SAME_POSITION_MM, Slice, blocks_of
from bench.targets import SAGITTAL_T1

SamePixels = Callable[[Slice, Slice], bool]
# From so many images on at one place, their positions are more likely wrong than right.
_MANY = 3


def one_acquisition(repair: Repair, slices: list[Slice], same_pixels: SamePixels) -> list[Slice]:
    """The slices of one echo and one time point, each place once where that can be known; the rest is named.

    Args:
        repair: takes the faults.
        slices: whole and of one plane.
        same_pixels: whether two slices show the same.

    Returns:
        The slices to keep, in any order; none if the positions of the series cannot be right.
    """
    if repair.expected is None:
        return slices
    places = _places(slices)
    if all(len(place) == 1 for place in places):
        return slices
    places = _without_copies(repair, places, same_pixels)
    places = _one_echo(repair, places)
    sizes = [len(place) for place in places]
    if 2 * sum(size > 1 for size in sizes) < len(places):
        return [one for place in places for one in _trusted(repair, place)]
    if _positions_are_wrong(places):
        return _leave_out_all(repair, places)
    return _first_time_point(repair, places)


def _places(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices gathered by angle and by the place of their middle, each by instance number."""
    places: list[list[Slice]] = []
    for block in blocks_of(slices):  # in the order of their middles
        own: list[list[Slice]] = []
        for one in sorted(block, key=lambda one: float(one.normal @ one.centre)):
            near = [place for place in own[-8:] if np.linalg.norm(place[0].centre - one.centre) <= SAME_POSITION_MM]
            if near:
                near[0].append(one)
            else:
                own.append([one])
        places += own
    return [sorted(place, key=lambda one: (one.instance_number, one.path)) for place in places]


def _without_copies(repair: Repair, places: list[list[Slice]], same_pixels: SamePixels) -> list[list[Slice]]:
    """Every image once; of copies the one with the lowest instance number stays."""
    kept = []
    for place in places:
        single: list[Slice] = []
        for one in place:
            first = next((other for other in single if _alike(one, other) and same_pixels(one, other)), None)
            if first is None:
                single.append(one)
            else:
                what = f"is a copy of {first.path}: equal pixels at the same position"
                _name(repair, one.path, what, "the copy is left out")
        kept.append(single)
    return kept


def _alike(one: Slice, other: Slice) -> bool:
    a, b = one.frame, other.frame
    return (a.rows, a.columns) == (b.rows, b.columns) and _echo(one) == _echo(other)


def _echo(one: Slice) -> float:
    """The echo time to a tenth of a millisecond; 0 if unknown, so that unknown ones are equal."""
    return round(float(np.nan_to_num(one.frame.echo_time_ms)), 1)


def _one_echo(repair: Repair, places: list[list[Slice]]) -> list[list[Slice]]:
    """Of several echoes the one that shows the series' weighting: the longest, for T1 the shortest.

    An echo counts if most places have it. A place without the echo that is kept is left out: it would show another
    contrast.
    """
    having = Counter(echo for place in places for echo in {_echo(one) for one in place})
    several = sum(len({_echo(one) for one in place}) > 1 for place in places)
    echoes = sorted(echo for echo, count in having.items() if echo > 0 and 2 * count > len(places))
    if 2 * several < len(places) or not echoes:
        return places
    best = echoes[0] if repair.description == SAGITTAL_T1 else echoes[-1]
    names = ", ".join(f"{echo:g}" for echo in sorted(having))
    incomplete = len(places) - min(having[echo] for echo in echoes)
    what = f"has every slice in several echoes ({names} ms)"
    if incomplete:
        what += f", save {incomplete} that lack one"
    _name(repair, repair.folder(places[0][0]), what, f"the slices of {best:g} ms are kept")
    kept = []
    for place in places:
        found = [one for one in place if _echo(one) == best]
        if found:
            kept.append(found)
        else:
            _leave_out(repair, place, f"has no slice of {best:g} ms at this position, the echo that is kept")
    return kept


def _trusted(repair: Repair, place: list[Slice]) -> list[Slice]:
    """Where other places hold one slice: two are kept, of more it is unknown which one lies there."""
    if len(place) < _MANY:
        return place
    _leave_out(repair, place, f"is one of {len(place)} slices at one position: which one lies there is unknown")
    return []


def _positions_are_wrong(places: Sequence[list[Slice]]) -> bool:
    """Whether many slices share one position, in every block of parallel ones."""
    blocks = len(blocks_of([place[0] for place in places]))
    return blocks == len(places) and min(map(len, places)) >= _MANY


def _leave_out_all(repair: Repair, places: Sequence[list[Slice]]) -> list[Slice]:
    count = sum(map(len, places))
    where = "one position" if len(places) == 1 else f"{len(places)} positions"
    first = places[0][0].frame.position
    assert first is not None
    what = (
        f"has all {count} slices at {where}, such as ({', '.join(f'{value:.1f}' for value in first)}): their order is "
        "unknown. Export it again with its own ImagePositionPatient"
    )
    folder = repair.folder(places[0][0])
    repair.faults.append(Fault(folder, what, "this series is left out", repair.study_id, repair.series_id))
    return []


def _first_time_point(repair: Repair, places: Sequence[list[Slice]]) -> list[Slice]:
    """The slice with the lowest instance number of every place: scanners number either times or places first."""
    sizes = sorted({len(place) for place in places})
    times = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    what = f"has {times} different images at each of {len(places)} positions: several time points or contrasts"
    _name(repair, repair.folder(places[0][0]), what, "the first image of each position, by instance number, is kept")
    return [place[0] for place in places]


def _name(repair: Repair, path: str, what: str, effect: str) -> None:
    repair.faults.append(Fault(path, what, effect, repair.study_id, repair.series_id, usable=True))


def _leave_out(repair: Repair, slices: Sequence[Slice], what: str) -> None:
    for one in slices:
        repair.leave_out(one, what)
