"""Reading MR images: decoding, geometry in patient space, studies and series, and the volume cache."""
