"""Energy heads: trained on what searches left, and brought into new ones."""
