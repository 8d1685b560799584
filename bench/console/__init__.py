"""Output of a run on screen: progress, and the table of results."""
