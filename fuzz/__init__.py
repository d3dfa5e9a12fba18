"""Hostile input for everything in leanebm that reads what others wrote.

A *target* is a function of bytes that lets nothing out but a finding. Three things run it: Hypothesis in
``tests/fuzz``, a few hundred inputs at a time; ``python fuzz/run.py TARGET``, coverage-guided and for as long
as one likes; and the replay of ``fuzz/corpus``, where every input that once was a finding stays.
"""
