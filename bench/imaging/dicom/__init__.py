"""One DICOM file: its header, its pixels, and what its faults mean in words."""
