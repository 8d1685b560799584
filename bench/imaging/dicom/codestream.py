"""The size that an encoded image declares of itself, to hold against the file's before anything is allocated."""

from __future__ import annotations

# Start-of-frame markers of JPEG and JPEG-LS; C4, C8 and CC among them mean other things (ITU-T T.81, B.1.1.3).
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_J2K_START = b"\xff\x4f\xff\x51"


def declared_size(encoded: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples per pixel declared by a JPEG, JPEG-LS, JPEG 2000 or HTJ2K image; None without one."""
    start = encoded.find(_J2K_START)
    if 0 <= start < 256:  # a JP2 box may come before
        return _size_j2k(encoded[start + 4 : start + 42])
    return _size_jpeg(encoded)


def _size_j2k(size: bytes) -> tuple[int, int, int] | None:
    """Of the SIZ segment: length, capabilities, extents and offsets of grid and tiles, components (T.800, A.5.1)."""
    if len(size) < 38:
        return None
    columns, rows, left, top = (int.from_bytes(size[at : at + 4], "big") for at in (4, 8, 12, 16))
    return rows - top, columns - left, int.from_bytes(size[36:38], "big")


def _size_jpeg(encoded: bytes) -> tuple[int, int, int] | None:
    at = 2 if encoded[:2] == b"\xff\xd8" else len(encoded)
    while at + 10 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker in _FRAME_MARKERS:
            rows, columns = (int.from_bytes(encoded[start : start + 2], "big") for start in (at + 5, at + 7))
            return rows, columns, encoded[at + 9]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None
