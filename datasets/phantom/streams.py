"""Random generators that depend only on seed, study and purpose, not on earlier draws."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, index: int, purpose: str) -> np.random.Generator:
    """The generator of one purpose (such as ``labels``) of one study, the same in every process and order."""
    digest = hashlib.blake2b(f"{seed}/{index}/{purpose}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def study_number(seed: int, index: int) -> int:
    """The id of a study: ten digits at most, above 2^31 for half of them, different for every index."""
    return (_hash(f"{seed}/{index}") % 428_000) * 10_000 + index % 10_000


def series_number(seed: int, index: int, series: int) -> int:
    """The id of a study's n-th series, different for every study and series."""
    return (_hash(f"{seed}/{index}/{series}") % 42_000) * 100_000 + (index % 10_000) * 10 + series


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
