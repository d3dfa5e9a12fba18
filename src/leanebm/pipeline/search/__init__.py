"""Searching: one statement, or many theorems into a run folder."""
