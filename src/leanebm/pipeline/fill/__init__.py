"""Filling what a file of Lean leaves out."""
