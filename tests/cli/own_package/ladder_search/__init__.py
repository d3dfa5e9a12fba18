"""Parts of a search, registered for leanebm in this package's entry points."""
