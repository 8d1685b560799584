"""Slice selection: an ensemble of classical classifiers on scikit-image features of every slice."""

from .config import SelectionConfig
from .selector import Selector
from .slots import Choice, Slot
from .stage import train_selection

__all__ = ["Choice", "SelectionConfig", "Selector", "Slot", "train_selection"]
