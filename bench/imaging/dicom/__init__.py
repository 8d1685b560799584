"""One DICOM file: header, pixels, and readable messages for its faults."""
