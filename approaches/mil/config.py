"""Every number of the approach. The presets beside this file fill it in; the defaults are those of the write-up."""

from __future__ import annotations

from bench.approach import Config

from .location_config import Location
from .severity_config import Severity


class MILConfig(Config):
    """The two stages."""

    location: Location
    severity: Severity
