"""The words that pick one of our parts, as ``--help`` lists them. ``leanebm parts`` says more, and takes longer."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Final

import attrs


@attrs.frozen
class PartWords:
    """One kind of part."""

    option: str
    """The option that takes the words."""

    plural: str
    """What ``--help`` calls them, with a capital."""

    group: str
    """The entry-point group of the words that packages add."""

    ours: dict[str, str]
    """Our words, in their order, each with a line."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Each word with a line: ours, and those that installed packages register, which are not imported for it."""
        yield from self.ours.items()
        for entry in sorted(entry_points(group=self.group)):
            package = "" if entry.dist is None else f" of {entry.dist.name}"
            yield entry.name, f"{entry.value}{package}"


PART_WORDS: Final = {
    "scorer": PartWords(
        "--scorer",
        "Scorers",
        "leanebm.scorers",
        {
            "breadth_first": "Every state before any deeper one.",
            "cumulative": "The likeliest path first: its log-probabilities, summed.",
            "depth_first": "The newest path to its end. A control.",
            "depth_ramp": "Another scorer that counts the more, the deeper a state is; a term of weighted_sum.",
            "goal_count": "The fewest goals first; a term of weighted_sum.",
            "length_normalised": "The likeliest path first, by its length to the power alpha.",
            "negative_energy": "The lowest energy first.",
            "oracle": "States on a proof that an earlier run found first: what a perfect order would gain.",
            "random": "In a random order, the same for a seed. A control.",
            "shortest_state": "The shortest text first. What an energy has to beat.",
            "weighted_sum": "Several scorers, weighed against each other; the default with an energy head.",
        },
    ),
    "policy": PartWords("--policy", "Policies", "leanebm.policies", {}),
    "search": PartWords(
        "--search",
        "Searches",
        "leanebm.searches",
        {
            "and_or": "Goals that share no metavariable, each proved by itself.",
            "beam": "The best states of each depth, then one deeper.",
            "best_first": "The most promising state first.",
            "cheap_first": "Best first; of its candidates, those first that succeed often per second.",
            "depth_first": "The likeliest tactic that works, and back where none does.",
            "distinct_heads": "Best first; few candidates that begin with the same word.",
            "limits": "Best first; states whose last tactics changed only hypotheses come later.",
            "portfolio": "Best first by two scorers in turn.",
            "probing": "Best first; a few tactics are tried on a state before the policy is asked.",
            "puct": "Monte-Carlo tree search.",
            "whole_proofs": "Best first; a candidate may be a whole proof, and is followed as far as it goes.",
        },
    ),
    "energy-model": PartWords("--energy-model", "Energy models", "leanebm.energy_models", {}),
    "encoder": PartWords(
        "--state-encoder",
        "Encoders",
        "leanebm.encoders",
        {"counts": "Eight counts of a state: sizes, goals, hypotheses, symbols. What an embedding has to beat."},
    ),
    "backend": PartWords(
        "--lean",
        "Leans",
        "leanebm.lean_backends",
        {
            "auto": "The best that is here: pantograph, native or embedded.",
            "command": "Any program that speaks the protocol; its command line is the setting argv.",
            "embedded": "Lean 4.28 as WebAssembly, which leanebm downloads once.",
            "native": "The lean on PATH, in a Lake project with --project.",
            "pantograph": "A Pantograph that you built: the setting binary, or vendor/Pantograph.",
        },
    ),
}
"""By the word that ``leanebm check --kind`` has for it. As :data:`~leanebm.pipeline.parts.FAMILIES` has them; to import
that would load what runs Lean."""
