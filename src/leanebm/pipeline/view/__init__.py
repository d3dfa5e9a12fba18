"""Search trees to look at: as a page, as text, as a graph, and while a run goes on."""
