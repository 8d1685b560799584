"""Small readers trained on the phantom's crops, whole scans and acquisition parameters, and reference readers."""
