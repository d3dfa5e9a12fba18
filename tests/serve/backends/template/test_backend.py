from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.data import bundled_set
from leanebm.errors import PolicyBadRequest, PromptTooLong
from leanebm.serve import Completion, SamplingParams, TemplateBackend
from leanebm.serve.backends.template._rules import Proposal
from leanebm.serve.backends.template.backend import draw, log_softmax, ranked_tactics

PROMPT = "/- tactic state:\nn m : Nat\nh : n = m\n⊢ n + 0 = m\n-/"


async def complete(prompt: str = PROMPT, *, seed: int = 0, **params: Any) -> list[Completion]:
    (completions,) = await TemplateBackend(seed=seed).generate([prompt], SamplingParams(**params))
    return list(completions)


async def everything(**params: Any) -> list[Completion]:
    """All that the rules say of the prompt: as many samples as it takes until they repeat."""
    many = await complete(n=1024, **params)
    return many[: next(i for i, c in enumerate(many[1:], 1) if c.text == many[0].text)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
async def test_the_probabilities_of_all_candidates_sum_to_one(temperature: float) -> None:
    completions = await everything(temperature=temperature)
    total = math.fsum(math.exp(math.fsum(token.log_prob for token in c.tokens)) for c in completions)
    assert math.isclose(total, 1.0)
    assert len({c.text for c in completions}) == len(completions) > 20


async def test_a_completion_is_a_rule_an_argument_and_the_end() -> None:
    for completion in await everything():
        rule, argument, end = completion.tokens
        assert (rule.text, argument.text, end.text) == ("", completion.text, "")
        assert (end.token_id, end.log_prob) == (0, 0.0)
        assert max(rule.log_prob, argument.log_prob) <= 0.0
        assert (completion.finish, completion.matched) == ("stop", 0)


async def test_token_ids_tell_completions_apart() -> None:
    completions = await everything()
    assert len({tuple(t.token_id for t in c.tokens) for c in completions}) == len(completions)


async def test_a_seed_fixes_the_draw_whichever_server_draws() -> None:
    assert await complete(n=8, seed=1) == await complete(n=8, seed=1)
    assert await complete(n=8, seed=1) != await complete(n=8, seed=2)
    assert await complete(n=8, seed=1, sampling_seed=5) == await complete(n=8, seed=2, sampling_seed=5)
    assert await complete(n=8, sampling_seed=5) != await complete(n=8, sampling_seed=6)


async def test_another_prompt_is_another_draw() -> None:
    here = [c.text for c in await complete("⊢ p ∧ q", n=4)]
    assert here == [c.text for c in await complete("⊢ p ∧ q", n=4)]
    assert here != [c.text for c in await complete("Think.\n⊢ p ∧ q", n=4)]


async def test_greedy_is_the_likeliest_with_the_probabilities_of_temperature_one() -> None:
    greedy = await complete(n=3, temperature=0.0)
    ranked = sorted(await everything(), key=lambda c: -sum(t.log_prob for t in c.tokens))
    assert greedy[0] == ranked[0]
    assert [c.tokens[1].log_prob + c.tokens[0].log_prob for c in greedy] == pytest.approx(
        [c.tokens[1].log_prob + c.tokens[0].log_prob for c in ranked[:3]]
    )


async def test_samples_repeat_only_when_the_rules_have_no_more_to_say() -> None:
    support = len(await everything())
    texts = [c.text for c in await complete(n=support + 3)]
    assert texts[support:] == texts[:3]


async def test_nucleus_and_top_k_narrow_the_choice() -> None:
    assert len({c.text for c in await complete(n=50, top_k=3)}) == 3
    nucleus = {c.text: math.exp(sum(t.log_prob for t in c.tokens)) for c in await complete(n=500, top_p=0.5)}
    assert sum(nucleus.values()) >= 0.5
    assert sum(nucleus.values()) - min(nucleus.values()) < 0.5
    likeliest = max(nucleus.values())
    kept = await complete(n=500, min_p=0.5)
    assert all(math.exp(sum(t.log_prob for t in c.tokens)) >= 0.499 * likeliest for c in kept)


async def test_tactics_can_be_taken_away_and_the_rest_share_their_probability() -> None:
    params = SamplingParams(n=1024)
    (all_,) = await TemplateBackend().generate([PROMPT], params)
    (fewer,) = await TemplateBackend(without=["omega", "simp_all"]).generate([PROMPT], params)
    texts = {c.text for c in fewer}
    assert texts == {c.text for c in all_ if "omega" not in c.text and "simp_all" not in c.text}
    assert texts < {c.text for c in all_}
    total = math.fsum({c.text: math.exp(math.fsum(t.log_prob for t in c.tokens)) for c in fewer}.values())
    assert math.isclose(total, 1.0)


@pytest.mark.parametrize(("limit", "text_is_there"), [(1, False), (2, True)])
async def test_the_length_limit_counts_these_tokens(limit: int, *, text_is_there: bool) -> None:
    (completion,) = await complete(max_new_tokens=limit)
    assert completion.finish == "length"
    assert len(completion.tokens) == limit
    assert bool(completion.text) == text_is_there


async def test_stop_texts_are_cut_out_unless_they_are_to_stay() -> None:
    (cut,) = await complete("⊢ p ∧ q", temperature=0.0, stop=("ind",))
    assert (cut.text, cut.finish, cut.matched) == ("gr", "stop", "ind")
    (kept,) = await complete("⊢ p ∧ q", temperature=0.0, stop=("in",), no_stop_trim=True)
    assert kept.text == "grin"


async def test_what_it_cannot_read_is_refused() -> None:
    backend = TemplateBackend()
    with pytest.raises(PolicyBadRequest, match="no tokenizer"):
        await backend.generate([(1, 2, 3)], SamplingParams())
    with pytest.raises(PolicyBadRequest, match="no tactic state"):
        await backend.generate(["What is a monad?"], SamplingParams())
    with pytest.raises(PolicyBadRequest, match="no tokenizer"):
        await backend.encode([(1, 2, 3)])


async def test_others_have_their_turn_between_two_prompts() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    backend, task = TemplateBackend(), asyncio.create_task(others())
    for ask in (backend.generate([PROMPT] * 9, SamplingParams()), backend.encode([PROMPT] * 9)):
        turns = 0
        await ask
        assert turns >= 8
    task.cancel()


async def test_a_prompt_has_a_longest_length() -> None:
    backend = TemplateBackend()
    longest = "⊢ True" + " " * (2**16 - 6)
    assert len((await backend.generate([longest], SamplingParams(n=2)))[0]) == 2
    assert len(await backend.encode([longest])) == 1
    for ask in (backend.generate([PROMPT, longest + " "], SamplingParams()), backend.encode([longest + " "])):
        with pytest.raises(PromptTooLong, match="65537 characters"):
            await ask


async def test_it_is_always_healthy() -> None:
    async with TemplateBackend() as backend:
        assert await backend.check_health()
        await backend.flush_cache()


async def test_it_encodes_as_it_says() -> None:
    async with TemplateBackend() as backend:
        embeddings = await backend.encode(["⊢ True", "n : Nat\n⊢ n = n"])
        said = backend.description.encode
    assert said is not None
    assert [len(embedding.vector) for embedding in embeddings] == [said.dim, said.dim]
    assert [embedding.prompt_tokens for embedding in embeddings] == [2, 7]


async def test_where_nothing_may_be_proposed_every_sample_is_empty() -> None:
    prompt = "/- tactic state:\na m : Nat\nh : a.le m\n⊢ False\n-/"
    words = sorted({tactic.text.split()[0] for tactic in await complete(prompt, n=256)})
    (completions,) = await TemplateBackend(without=words).generate([prompt], SamplingParams(n=3))
    assert [completion.text for completion in completions] == ["", "", ""]


WEIGHTS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=5)
PROPOSALS = st.lists(WEIGHTS, min_size=1, max_size=5).map(
    lambda rules: [
        Proposal(rule, tuple(f"t{rule}.{i}" for i in range(len(weights))), tuple(weights))
        for rule, weights in enumerate(rules)
    ]
)
TWO = [Proposal(0, ("a", "b"), (3.0, 1.0)), Proposal(4, ("c",), (4.0,))]


@given(PROPOSALS, st.floats(0.05, 20.0))
def test_probabilities_sum_to_one_at_any_temperature(proposals: list[Proposal], temperature: float) -> None:
    tactics = ranked_tactics(proposals, temperature)
    assert math.isclose(math.fsum(math.exp(tactic.log_prob) for tactic in tactics), 1.0)
    assert [t.log_prob for t in tactics] == sorted((t.log_prob for t in tactics), reverse=True)


def test_at_temperature_one_weights_are_joint_probabilities() -> None:
    tactics = ranked_tactics(TWO, 1.0)
    assert {t.text: round(math.exp(t.log_prob), 9) for t in tactics} == {"c": 0.5, "a": 0.375, "b": 0.125}
    by_text = {t.text: t for t in tactics}
    assert (by_text["b"].rule_id, by_text["b"].argument_id) == (0, 1)
    assert by_text["c"].argument_log_prob == 0.0


def test_every_factor_is_scaled_by_the_temperature() -> None:
    by_text = {t.text: t for t in ranked_tactics(TWO, 0.5)}
    assert math.isclose(math.exp(by_text["a"].argument_log_prob), 9 / 10)
    assert math.isclose(math.exp(by_text["a"].rule_log_prob), 0.5)


@given(PROPOSALS, st.integers(1, 30), st.integers(0, 1000))
def test_draws_are_distinct_and_repeatable(proposals: list[Proposal], n: int, seed: int) -> None:
    ranked = ranked_tactics(proposals, 1.0)
    drawn, again = (draw(ranked, n, temperature=1.0, rng=random.Random(seed)) for _ in range(2))  # noqa: S311
    assert drawn == again
    assert len({tactic.text for tactic in drawn}) == len(drawn) == min(n, sum(len(p.tactics) for p in proposals))


def test_greedy_draws_are_the_likeliest_in_order() -> None:
    drawn = draw(ranked_tactics(TWO, 0.0), 2, temperature=0.0, rng=random.Random(0))  # noqa: S311
    assert [tactic.text for tactic in drawn] == ["c", "a"]
    assert math.isclose(drawn[0].log_prob, math.log(0.5))


def test_the_first_draw_follows_the_probabilities() -> None:
    rng = random.Random(20261122)  # noqa: S311
    ranked = ranked_tactics(TWO, 1.0)
    first = Counter(draw(ranked, 1, temperature=1.0, rng=rng)[0].text for _ in range(8000))
    # Four standard deviations of a binomial count: a fixed seed, so this either holds or never does.
    for text, probability in {"c": 0.5, "a": 0.375, "b": 0.125}.items():
        assert abs(first[text] / 8000 - probability) < 4 * math.sqrt(probability * (1 - probability) / 8000)


def test_a_narrowed_draw_keeps_the_log_probabilities_of_the_whole() -> None:
    drawn = draw(ranked_tactics(TWO, 1.0)[:1], 5, temperature=1.0, rng=random.Random(0))  # noqa: S311
    assert [(t.text, round(t.log_prob, 9)) for t in drawn] == [("c", round(math.log(0.5), 9))]


@pytest.mark.parametrize("logits", [[-1e300, 1e300], [0.0], [1e5, 1e5 + 1]])
def test_the_softmax_neither_overflows_nor_exceeds_certainty(logits: list[float]) -> None:
    assert all(value <= 0.0 for value in log_softmax(logits))


@pytest.mark.parametrize(("word", "meant"), [("gring", "grind"), ("simp-all", "simp_all"), ("Omega", "omega")])
def test_a_misspelt_word_is_refused_with_the_close_one(word: str, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"no tactic with the word '{word}'; did you mean '{meant}'\?"):
        TemplateBackend(without=["rfl", word])


def test_a_word_that_is_like_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no tactic with the word 'qqq'; .*'zzz'$"):
        TemplateBackend(without=["zzz", "qqq"])


async def test_every_word_that_begins_a_tactic_can_be_taken_away() -> None:
    first = {
        tactic.text.split()[0]
        for entry in bundled_set()[:40]
        for tactic in await complete(f"/- tactic state:\n⊢ {entry.theorem.statement}\n-/", n=64)
    }
    assert {"intro", "simp", "rfl"} <= first
    TemplateBackend(without=first)
