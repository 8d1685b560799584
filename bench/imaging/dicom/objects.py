"""DICOM objects that are no images by their kind: reports, presentation states, raw data, spectra, directories."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import UID

from bench.imaging.dicom import tags
from bench.imaging.faults import NoImage, UnreadableImage

# Private ones, which the standard does not name: Siemens CSA non-image; spectra, series data, exam cards of Philips.
_PRIVATE = ("1.3.12.2.1107.5.9.1", "1.3.46.670589.11.0.0.12.")


def without_image(ds: Dataset, fault: str) -> UnreadableImage:
    """What to raise for an object without an image: `NoImage` if its kind has none, else the fault in words."""
    uid = UID(tags.text(ds, tags.SOP_CLASS) or tags.text(getattr(ds, "file_meta", None) or ds, tags.MEDIA_SOP_CLASS))
    if uid.startswith(_PRIVATE):
        return NoImage("is a private object without an image")
    # Every storage class of images has the word in its name.
    if uid.type == "SOP Class" and "Image" not in uid.name:
        return NoImage(f"is no image but {uid.name}")
    return UnreadableImage(fault)
