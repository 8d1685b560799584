"""Pixels of prepared series, read from the cache by memory map."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.imaging.cache import Record, read_index, read_record

# Each open memory map holds a file descriptor, of which a process commonly has 1,024.
_OPEN_MAPS = 128


class Volumes:
    """Pixels of prepared series, read from the cache by memory map. Cheap to make, to pickle and to open."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._records: dict[int, Record] = {}
        self._maps: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._index_read = False

    def __repr__(self) -> str:
        return f"Volumes({str(self.folder)!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]
        self._index_read = True  # a task for a few series reads their records alone, not those of all series

    def array(self, series_id: int) -> NDArray[Any]:
        """(S, H, W) read-only uint8 or uint16 in the slice order of `Series`.

        Slices smaller than the largest of their series are padded with zeros at the right and bottom, so pixel
        coordinates hold. Raises DataError if the series is not in the cache.
        """
        found = self._maps.get(series_id)
        if found is not None:
            self._maps.move_to_end(series_id)
            return found
        try:
            opened = np.load(self.folder / f"{int(series_id)}.npy", mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise self._absent(series_id) from None
        self._maps[series_id] = opened
        if len(self._maps) > _OPEN_MAPS:
            self._maps.popitem(last=False)
        return opened

    def window(self, series_id: int) -> NDArray[np.float32]:
        """(S, 2) 1st and 99th percentile of every slice without its padding, in stored units."""
        return np.array(self.record(series_id)["window"], dtype=np.float32).reshape(-1, 2)

    def mapping(self, series_id: int) -> tuple[float, float]:
        """Slope and intercept: the value in the file's own units is stored * slope + intercept."""
        slope, intercept = self.record(series_id)["mapping"]
        return float(slope), float(intercept)

    def record(self, series_id: int) -> Record:
        """The cache record of a series."""
        if not self._index_read:
            self._index_read = True
            self._records.update(read_index(self.folder))
        if series_id not in self._records:
            record = read_record(self.folder, series_id)
            if record is None:
                raise self._absent(series_id)
            self._records[series_id] = record
        return self._records[series_id]

    def _absent(self, series_id: int) -> DataError:
        return DataError(
            f"series {series_id} is not in the volume cache {self.folder}: it was not prepared, could not be read, or "
            "the cache was deleted meanwhile. Run the command again, or `bench data prepare`."
        )
