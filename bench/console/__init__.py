"""What a run shows on screen: progress, and the table of results."""
