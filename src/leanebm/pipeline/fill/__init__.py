"""Filling in what a Lean file leaves out."""
