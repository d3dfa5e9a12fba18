r"""A two-step distribution over tactics: first a rule, then an argument for it.

With rule weights ``W_r = Σ_a w(r, a)`` and temperature ``T``,

.. math:: P_T(r, a) = \frac{W_r^{1/T}}{\sum_s W_s^{1/T}} · \frac{w(r, a)^{1/T}}{\sum_b w(r, b)^{1/T}}

which is what a language model does that writes a tactic as two tokens: every factor is scaled by
the temperature on its own, so the log-probability of a tactic is the sum of two exact terms. At
``T = 1`` the joint probability is proportional to the weight.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from typing import Final, final

import attrs

from leanebm.serve.backends.template.rules import Proposal

__all__ = ["TacticDistribution", "WeightedTactic"]


_LEAST_TEMPERATURE: Final = 1e-6


@attrs.frozen(kw_only=True)
class WeightedTactic:
    """A tactic with the logarithm of each of its two factors, and their token ids."""

    text: str
    rule_id: int
    argument_id: int
    rule_log_prob: float
    argument_log_prob: float

    @property
    def log_prob(self) -> float:
        """Natural logarithm of the tactic's probability."""
        return self.rule_log_prob + self.argument_log_prob


@final
class TacticDistribution:
    """All the tactics that the rules propose for one goal, with their probabilities."""

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self._proposals = proposals

    def at(self, temperature: float) -> tuple[WeightedTactic, ...]:
        """Every tactic, the likeliest first; their probabilities sum to one.

        Temperature 0 orders and scores as temperature 1 does: greedy choice has no scale of its own.
        """
        inverse = 1.0 if is_greedy(temperature) else 1.0 / temperature
        rule_logits = [inverse * math.log(sum(proposal.weights)) for proposal in self._proposals]
        tactics: list[WeightedTactic] = []
        for proposal, rule_log_prob in zip(self._proposals, log_softmax(rule_logits), strict=True):
            argument_log_probs = log_softmax([inverse * math.log(weight) for weight in proposal.weights])
            tactics += [
                WeightedTactic(
                    text=text,
                    rule_id=proposal.rule_id,
                    argument_id=index,
                    rule_log_prob=rule_log_prob,
                    argument_log_prob=log_prob,
                )
                for index, (text, log_prob) in enumerate(zip(proposal.tactics, argument_log_probs, strict=True))
            ]
        return tuple(sorted(tactics, key=lambda tactic: -tactic.log_prob))

    def draw(
        self,
        n: int,
        *,
        temperature: float,
        rng: random.Random,
        keep: Callable[[Sequence[WeightedTactic]], Sequence[WeightedTactic]] = lambda ranked: ranked,
    ) -> tuple[WeightedTactic, ...]:
        """Up to ``n`` different tactics, drawn without replacement; at temperature 0 the ``n`` likeliest.

        Sampling without replacement adds an independent Gumbel variable to every log-probability
        and keeps the ``n`` largest sums (Kool, van Hoof and Welling 2019, arXiv 1903.06059); the
        first of them is an ordinary draw. Each keeps its own, unconditional log-probability.

        Args:
            n: how many.
            temperature: of both factors.
            rng: the only source of chance; consumed in an order that depends on the goal alone.
            keep: narrows the ranked tactics (top-k, top-p …) before the draw.
        """
        tactics = keep(self.at(temperature))
        if is_greedy(temperature):
            return tuple(tactics[:n])
        perturbed = ((tactic.log_prob + _gumbel(rng), -index) for index, tactic in enumerate(tactics))
        return tuple(tactics[-negated] for _, negated in heapq.nlargest(n, perturbed))


def is_greedy(temperature: float) -> bool:
    """Whether a temperature is 0, or so near that dividing by it says nothing more."""
    return temperature < _LEAST_TEMPERATURE


def log_softmax(logits: Sequence[float]) -> list[float]:
    """Logarithms of normalised probabilities, without overflow; never above 0."""
    highest = max(logits, default=0.0)
    normaliser = highest + math.log(sum(math.exp(logit - highest) for logit in logits)) if logits else 0.0
    return [min(0.0, logit - normaliser) for logit in logits]


def _gumbel(rng: random.Random) -> float:
    return -math.log(rng.expovariate(1.0) or 5e-324)
