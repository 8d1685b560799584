"""Faults of the competition's data that participants published, by study id or series id.

Sources are discussions and write-ups of the competition (rsna-2024-lumbar-spine-degenerative-classification on Kaggle)
and the public code of its teams, each named with its list.
"""

from __future__ import annotations

# Left out by most of the published solutions, the winning one among them.
EXCLUDED: dict[int, str] = {
    3637444890: "its Sagittal T2 series 3892989905 shows the cervical spine; its canal points lie on Sagittal T1 "
    "(left out by most published solutions)",
}


def _same(text: str, *ids: int) -> dict[int, str]:
    return dict.fromkeys(ids, text)


KNOWN: dict[int, str] = {
    3892989905: "shows the cervical spine instead of the lumbar spine",
    # Counted from the series table itself.
    **_same("has no Sagittal T1 series", 2492114990, 2780132468),
    3008676218: "has no Sagittal T2/STIR series, and no canal points",
    # B. Artley's corrected coordinates (discussions 524500 and 528653).
    **_same(
        "an axial series of it is unusable (B. Artley, discussion 528653)",
        2097107888,
        2679683906,
        1771893480,
        996418962,
        1753543608,
        1848483560,
    ),
    3951475160: "a series that does not belong where it lies (T. Tattaka's code, 4th place)",
    # I. Pan's notes (2nd place).
    **_same(
        "left and right foraminal narrowing are swapped (I. Pan, 2nd place)",
        3742728457,
        364930790,
        2410494888,
        2135829458,
        1879696087,
        3156269631,
        1085426528,
        3781188430,
        3495818564,
        1395773918,
        757619082,
        2626030939,
        2530679352,
        2388577668,
        796739553,
        2662989538,
    ),
    462494704: "its images are warped (I. Pan, 2nd place)",
    1647904243: "left and right foraminal narrowing are swapped, and its images are warped (I. Pan, 2nd place)",
    677672203: "left and right subarticular stenosis are swapped (I. Pan, 2nd place)",
    1524089207: "only the left side is shown (I. Pan, 2nd place)",
    # Named as hard by several teams.
    **_same(
        "its axial slices are hard to assign to levels (published by several teams)",
        391103067,
        953639220,
        2460381798,
        2690161683,
        3650821463,
        3949892272,
    ),
    # phalendj's repository rsna2024.
    **_same("listed among bad sagittal series (phalendj)", 178651310, 642715533, 1737682527),
    2683794967: "has instance numbers up to 5049",
}
