"""The formats that the report is written in."""
