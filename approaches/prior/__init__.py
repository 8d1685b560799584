"""Class shares alone, no images: the line under every table."""

from .approach import Prior

__all__ = ["Prior"]
