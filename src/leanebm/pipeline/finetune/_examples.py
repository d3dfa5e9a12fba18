"""Lessons under other names, as token ids, and in batches in which little is padding."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import attrs

from leanebm.errors import ConfigError
from leanebm.pipeline._rendering import rendered, written
from leanebm.pipeline.finetune.lessons import Lesson
from leanebm.policy import PromptFormat
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer

_POOLED_BATCHES: Final = 32
"""Batches that are cut out of one stretch sorted by length; more saves padding, and mixes less."""

_ON_BOTH_SIDES: Final = "prompt_also_on_the_other_side"

_INACCESSIBLE: Final = "✝"
_NAME: Final = re.compile(rf"[^\W\d][\w'{_INACCESSIBLE}¹²³⁴⁵⁶⁷⁸⁹⁰]*")
_DECLARATION: Final = re.compile(r"([^\s:⊢|]+(?: [^\s:⊢|]+)+) :")
"""The line of a goal that declares several variables of one type."""


class Example(NamedTuple):
    """One lesson as the model reads it."""

    tokens: tuple[int, ...]
    """The prompt as the server would read it, the tactic, and the token that ends a completion."""

    start: int
    """Index of the first token after the prompt: from there on, tokens are learnt."""


@attrs.frozen(kw_only=True)
class Tokenised:
    """The lessons that can be learnt as they are, and how many could not."""

    examples: tuple[Example, ...]
    cut_prompts: int
    """Prompts that lost their beginning."""

    left_out: dict[str, int]
    """By reason."""

    def apart_from(self, others: Tokenised) -> Tokenised:
        """The examples whose prompts are none of ``others``: who has learnt an answer is not to be judged by it.

        States that differ may be shown alike, by a format that shows one goal, or where a prompt was cut.
        """
        known = {each.tokens[: each.start] for each in others.examples}
        kept = tuple(each for each in self.examples if each.tokens[: each.start] not in known)
        left_out = {**self.left_out, _ON_BOTH_SIDES: len(self.examples) - len(kept)}
        return attrs.evolve(self, examples=kept, left_out=left_out)


def tokenised(
    lessons: Iterable[Lesson],
    prompt_format: PromptFormat,
    tokenizer: PromptTokenizer,
    *,
    max_tokens: int,
    max_state_chars: int,
) -> Tokenised:
    """Each lesson as one sequence of at most ``max_tokens`` tokens, of which only the prompt ever loses some.

    The prompt is rendered and tokenised as for the server. A tactic that the format would not read back as it is, in
    full, is left out, since a search could never run it. What reads the same counts once.

    Raises:
        ConfigError: the tokenizer has no token that ends a text.
    """
    if tokenizer.eos_id is None:
        raise ConfigError("the model's tokenizer names no end token, so its completions would never end")
    examples: list[Example] = []
    left_out = dict.fromkeys(("tactic_not_read_back", "state_not_read", "tactic_too_long"), 0)
    cut_prompts = 0
    for lesson in lessons:
        completion = written(lesson.tactic, prompt_format)
        prompt = rendered(lesson.state, prompt_format, max_state_chars)
        if completion is None or prompt is None:
            left_out["tactic_not_read_back" if completion is None else "state_not_read"] += 1
            continue
        asked, answer = _seam(prompt, completion, tokenizer)
        answer = (*answer, tokenizer.eos_id)
        kept = _shortened(asked, max_tokens - len(answer), has_bos=tokenizer.includes_bos)
        if kept is None:
            left_out["tactic_too_long"] += 1
            continue
        cut_prompts += kept is not asked
        examples.append(Example((*kept, *answer), len(kept)))
    return Tokenised(examples=tuple(dict.fromkeys(examples)), cut_prompts=cut_prompts, left_out=left_out)


def _seam(prompt: str, completion: str, tokenizer: PromptTokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids of both, split where the server splits them.

    The completion's are those it has behind the prompt, where the two do not share a token; a tokenizer may spell a
    text's beginning otherwise than the same text within another.
    """
    asked, whole, alone = tokenizer.encode([prompt, prompt + completion, completion])
    if whole[: len(asked)] == asked:
        return asked, whole[len(asked) :]
    return asked, alone[1:] if tokenizer.includes_bos else alone


def _shortened(prompt: tuple[int, ...], room: int, *, has_bos: bool) -> tuple[int, ...] | None:
    """The prompt without its beginning, as far as there is room; ``None`` if not even its last token fits."""
    if len(prompt) <= room:
        return prompt
    first = prompt[:1] if has_bos else ()
    if room < len(first) + 1:
        return None
    return (*first, *prompt[len(prompt) - room + len(first) :])


def renamed_copies(lessons: Sequence[Lesson], number: int, *, seed: int) -> Iterator[Lesson]:
    """Each lesson, then up to ``number`` others that differ from it in which variable bears which name.

    Names are exchanged among variables of one type that Lean declares together, ``p q r : Prop``, in all else that is
    said of them; so a copy is a goal that Lean would print, and its tactic the one that works there.
    """
    for lesson in lessons:
        yield lesson
        groups = _exchangeable(lesson.state)
        rng = random.Random(f"{seed}\0{lesson.state}\0{lesson.tactic}")  # noqa: S311 - names, not secrets
        copies = {lesson}
        for _ in range(number if groups else 0):
            copy = _exchanged(lesson, groups, rng)
            if copy not in copies:
                copies.add(copy)
                yield copy


def _exchangeable(state: str) -> list[list[str]]:
    """Names that may be exchanged; none where one name means different things in different goals."""
    declared = [match[1].split() for line in state.split("\n") if (match := _DECLARATION.match(line))]
    # A tactic that named an inaccessible one would be no Lean.
    accessible = [tuple(name for name in names if _INACCESSIBLE not in name) for names in declared]
    groups = [list(names) for names in dict.fromkeys(accessible) if len(names) > 1]
    together = [name for names in groups for name in names]
    return groups if len(set(together)) == len(together) else []


def _exchanged(lesson: Lesson, groups: Sequence[Sequence[str]], rng: random.Random) -> Lesson:
    new: dict[str, str] = {}
    for names in groups:
        new |= zip(names, rng.sample(names, len(names)), strict=True)

    def exchange(text: str) -> str:
        return _NAME.sub(lambda match: new.get(match[0], match[0]), text)

    def exchange_in(line: str) -> str:
        """Of variables declared together the type alone: their names stand in the order that they had."""
        match = _DECLARATION.match(line)
        start = match.end() if match else 0
        return line[:start] + exchange(line[start:])

    lines = map(exchange_in, lesson.state.split("\n"))
    return attrs.evolve(lesson, state="\n".join(lines), tactic=exchange(lesson.tactic))


def epoch_batches(lengths: Sequence[int], size: int, *, seed: int, epoch: int) -> list[tuple[int, ...]]:
    """Indices of every example once, in batches of about equal length each, in an order drawn for this epoch."""
    rng = random.Random(f"{seed}.{epoch}")  # noqa: S311 - an order, not a secret
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches = [
        batch
        for stretch in _cut(order, size * _POOLED_BATCHES)
        for batch in _cut(sorted(stretch, key=lambda i: lengths[i]), size)
    ]
    rng.shuffle(batches)
    return batches


def _cut(order: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    return (tuple(order[start : start + size]) for start in range(0, len(order), size))


def passes(examples: Iterable[Example], max_tokens: int) -> Iterator[list[Example]]:
    """The examples in groups of at most ``max_tokens`` tokens each, padding included, or of one example."""
    group: list[Example] = []
    for example in sorted(examples, key=lambda one: len(one.tokens)):
        if group and len(example.tokens) * (len(group) + 1) > max_tokens:
            yield group
            group = []
        group.append(example)
    if group:
        yield group
