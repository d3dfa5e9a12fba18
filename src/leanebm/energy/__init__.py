"""The energy head: from embeddings of proof states to energies, lower = more provable."""
