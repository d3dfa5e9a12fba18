"""The template backend: a goal goes in, tactics come out, and there is no model anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import math
import random
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from typing import Final, Literal, Self, final

import attrs

from leanebm._printed.goal import PrintedGoal, find_state, parse_goal
from leanebm._shown import hint, named_repr, shown
from leanebm.errors import PolicyBadRequest, PromptTooLong
from leanebm.serve.backends.base import (
    Backend,
    BackendDescription,
    Completion,
    Embedding,
    EncodeDescription,
    Prompt,
    SamplingParams,
    Token,
)
from leanebm.serve.backends.template._encoder import DIM, ENCODER_VERSION, embed
from leanebm.serve.backends.template._rules import RULES, Proposal, propose_all, words_of_rules

EOS_ID: Final = 0
_FIRST_ARGUMENT_ID: Final = 1000
_MAX_ENCODE_BATCH: Final = 256
_CONTEXT: Final = 2**16
"""Longest prompt, in characters: longer than any state that the rules are good for, and read in less than a second."""

_PROBE: Final = "/- tactic state:\n⊢ True\n-/"


@final
class TemplateBackend(Backend):
    """Proposes tactics by looking at the target's head symbol and at the hypotheses.

    A completion is three tokens: the rule, its argument (which carries all the text), and the end.
    The ``n`` completions of a prompt are drawn without replacement, so they are distinct until the
    rules have no more to say; then they repeat in the same order. A draw depends only on the
    prompt and on ``sampling_seed``, or else on the backend's own seed: a run can be repeated.

    Args:
        seed: of sampling.
        without: words, such as ``grind``; tactics in whose text one occurs are never proposed. Taking
            the strong automation away makes proofs longer, which is what a search is to be tried on.

    Raises:
        ValueError: no rule writes tactics with a word of ``without``; a close one is named.
    """

    def __init__(self, *, seed: int = 0, without: Iterable[str] = ()) -> None:
        self._seed = seed
        self._without = frozenset(without)
        if self._without and (unknown := sorted(self._without - words_of_rules())):
            raise ValueError("; ".join(map(_no_word, unknown)))

    __repr__ = named_repr("_seed")

    @property
    def description(self) -> BackendDescription:
        """Named ``template``; what its vectors are made of is in ``_encoder.py``."""
        encoder = EncodeDescription(
            pooling="mean",
            layer=ENCODER_VERSION,
            normalized=False,
            include_bos=False,
            dim=DIM,
            dtype="float32",
            max_batch=_MAX_ENCODE_BATCH,
        )
        return BackendDescription(
            model_path="template", tokenizer_path="template", weight_version="template-1", encode=encoder
        )

    async def __aenter__(self) -> Self:
        """Nothing to load."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Nothing to let go of."""

    async def generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, *, adapter: str | None = None
    ) -> Sequence[Sequence[Completion]]:
        """Tactics for the goal that each prompt shows.

        Raises:
            PolicyBadRequest: a prompt is made of token ids, or shows no goal; or an adapter is named.
            PromptTooLong: a prompt has more than 65 536 characters.
        """
        self._require_adapter(adapter)
        texts = [_text(prompt) for prompt in prompts]
        completions = []
        for text in texts:
            completions.append(self._complete(text, params))
            await asyncio.sleep(0)  # a long goal takes tenths of a second, and others need the event loop, too
        return completions

    async def encode(self, prompts: Sequence[Prompt], *, adapter: str | None = None) -> Sequence[Embedding]:
        """What each printed state is made of, hashed into a vector.

        Raises:
            PolicyBadRequest: a prompt is made of token ids; or an adapter is named.
            PromptTooLong: a prompt has more than 65 536 characters.
        """
        self._require_adapter(adapter)
        texts = [_text(prompt) for prompt in prompts]
        embeddings = []
        for text in texts:
            vector, prompt_tokens = embed(text)
            embeddings.append(Embedding(vector=vector, prompt_tokens=prompt_tokens))
            await asyncio.sleep(0)  # as above
        return embeddings

    async def flush_cache(self) -> None:
        """Nothing is cached."""

    async def check_health(self) -> bool:
        """Whether the rules have something to say about ``True``."""
        return bool(await self.generate([_PROBE], SamplingParams(max_new_tokens=1)))

    def _complete(self, text: str, params: SamplingParams) -> list[Completion]:
        ranked = ranked_tactics(propose_all(RULES, _goal(text), without=self._without), params.temperature)
        rng = self._rng(text, params.sampling_seed)
        tactics = draw(_truncate(ranked, params), params.n, temperature=params.temperature, rng=rng)
        completions = [_completion(tactic, text, params) for tactic in tactics] or [_silence(text)]
        return list(islice(cycle(completions), params.n))

    def _rng(self, prompt: str, sampling_seed: int | None) -> random.Random:
        seed = self._seed if sampling_seed is None else sampling_seed
        digest = hashlib.sha256(f"{seed}\n{prompt}".encode(errors="surrogatepass")).digest()
        return random.Random(digest)  # noqa: S311 - sampling, not secrets


def _text(prompt: Prompt) -> str:
    if not isinstance(prompt, str):
        raise PolicyBadRequest("the template backend reads text, not input_ids: it has no tokenizer")
    if len(prompt) > _CONTEXT:
        raise PromptTooLong(
            f"The input ({len(prompt)} characters) is longer than the model's context length ({_CONTEXT} characters)."
        )
    return prompt


def _goal(prompt: str) -> PrintedGoal:
    state = find_state(prompt)
    if state is None:
        raise PolicyBadRequest(
            "the template backend found no tactic state in the prompt: show it as `/- tactic state: … -/`"
        )
    try:
        return parse_goal(state)
    except ValueError as error:
        raise PolicyBadRequest(str(error)) from error


def _truncate(ranked: Sequence[WeightedTactic], params: SamplingParams) -> Sequence[WeightedTactic]:
    """The tactics that top-k, top-p and min-p leave; their log-probabilities are not renormalised."""
    kept = ranked if params.top_k == -1 else ranked[: params.top_k]
    least = math.log(params.min_p) + ranked[0].log_prob if params.min_p else -math.inf
    chosen: list[WeightedTactic] = []
    mass = 0.0
    for tactic in kept:
        if tactic.log_prob < least or mass >= params.top_p:
            break
        chosen.append(tactic)
        mass += math.exp(tactic.log_prob)
    return chosen


def _silence(prompt: str) -> Completion:
    """The answer where no tactic may be proposed: an empty one, with certainty, for ``n`` completions are wanted."""
    return Completion(
        text="", tokens=(Token(0.0, EOS_ID),), finish="stop", matched=EOS_ID, prompt_tokens=len(prompt.split())
    )


def _completion(tactic: WeightedTactic, prompt: str, params: SamplingParams) -> Completion:
    rule = Token(tactic.rule_log_prob, 1 + tactic.rule_id)
    argument = Token(tactic.argument_log_prob, _FIRST_ARGUMENT_ID + tactic.argument_id, tactic.text)
    tokens = (rule, argument, Token(0.0, EOS_ID))[: params.max_new_tokens]
    text = "".join(token.text for token in tokens)
    finished = len(tokens) == 3
    finish: Literal["stop", "length"] = "stop" if finished else "length"
    matched: int | str | None = EOS_ID if finished else None
    for stop in params.stop:
        position = text.find(stop)
        if stop and position >= 0:
            text = text[: position + len(stop) * params.no_stop_trim]
            finish, matched = "stop", stop
    return Completion(text=text, tokens=tokens, finish=finish, matched=matched, prompt_tokens=len(prompt.split()))


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


def ranked_tactics(proposals: Sequence[Proposal], temperature: float) -> tuple[WeightedTactic, ...]:
    r"""All the tactics that the rules propose for one goal, with their probabilities: first a rule, then its argument.

    With rule weights ``W_r = Σ_a w(r, a)`` and temperature ``T``,

    .. math:: P_T(r, a) = \frac{W_r^{1/T}}{\sum_s W_s^{1/T}} · \frac{w(r, a)^{1/T}}{\sum_b w(r, b)^{1/T}}

    which is what a language model does that writes a tactic as two tokens: the temperature scales each factor on
    its own, so the log-probability of a tactic is the sum of two exact terms. At ``T = 1`` the joint
    probability is proportional to the weight. Temperature 0 orders and scores as temperature 1 does: greedy choice
    has no scale of its own.

    Returns:
        Every tactic, the likeliest first; their probabilities sum to one.
    """
    inverse = 1.0 if is_greedy(temperature) else 1.0 / temperature
    rule_logits = [inverse * math.log(sum(proposal.weights)) for proposal in proposals]
    tactics: list[WeightedTactic] = []
    for proposal, rule_log_prob in zip(proposals, log_softmax(rule_logits), strict=True):
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
    tactics: Sequence[WeightedTactic], n: int, *, temperature: float, rng: random.Random
) -> tuple[WeightedTactic, ...]:
    """Up to ``n`` different tactics of ranked ones, drawn without replacement; at temperature 0 the ``n`` likeliest.

    Sampling without replacement adds an independent Gumbel variable to every log-probability
    and keeps the ``n`` largest sums (Kool, van Hoof and Welling 2019, arXiv 1903.06059); the
    first of them is an ordinary draw. Each keeps its own, unconditional log-probability.
    The ``rng`` is the only source of chance, consumed in an order that depends on the goal alone.
    """
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


def _no_word(word: str) -> str:
    return f"the symbolic policy has no tactic with the word {shown(word)}{hint(word, words_of_rules())}"
