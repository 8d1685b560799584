"""Writing whole or not at all, and locks between processes and hosts."""
