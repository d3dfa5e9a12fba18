"""Rounds of search and learning."""
