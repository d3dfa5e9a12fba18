"""Several ways to guide a search, tried on the same answers."""
