"""Contrastive groups from replayed known proofs, and from search trees."""
