from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leanebm.core import ProofAdvanced, ProofFinished, Theorem
from leanebm.data.conjectures import FAMILIES, Conjecture
from leanebm.lean import LeanPool

Model = Mapping[str, Any]


def value(text: str, model: Model) -> Any:
    """Of a term as Lean prints it: a head and arguments, the latter in parentheses unless they are names."""
    tokens = re.findall(r"[()]|[^\s()]+", text)

    def term() -> Any:
        head = tokens.pop(0)
        if head == "(":
            inside = term()
            tokens.pop(0)
            return inside
        found = model[head]
        if not callable(found):
            return found
        return found(*(argument() for _ in range(2 if head == "m" else 1)))

    def argument() -> Any:
        return term() if tokens[0] == "(" else model[tokens.pop(0)]

    return term()


def holds(equation: str, model: Model) -> bool:
    left, right = equation.split(" = ")
    return bool(value(left, model) == value(right, model))


def lists(rng: random.Random) -> tuple[int, ...]:
    return tuple(rng.randrange(4) for _ in range(rng.randrange(4)))


def models(statement: str, rng: random.Random) -> Iterator[Model]:
    """Lists with ``++``, ``reverse`` and a ``filter``, whichever of the names stands for which."""
    functions: tuple[Callable[..., Any], ...] = (lambda xs: xs[::-1], lambda xs: tuple(x for x in xs if x % 2))
    (elements,) = re.findall(r"\(([a-z0-9 ]+) : α\)", statement) or [""]
    for unary in permutations(functions):
        for empty in (None, *elements.split()):
            yield {
                "m": lambda xs, ys: xs + ys,
                **dict(zip("fg", unary, strict=True)),
                **{name: () if name == empty else lists(rng) for name in elements.split()},
            }


def ends_of_words(statement: str, rng: random.Random) -> Iterator[Model]:
    """Words that are joined, where ``f`` and ``g`` put letters before or after; and sums, whose order says nothing."""
    (elements,) = re.findall(r"\(([a-z0-9 ]+) : α\)", statement)
    names = elements.split()
    for _ in range(3):
        one, other = lists(rng), lists(rng)
        ends = (lambda xs, p=one: p + xs), (lambda xs, p=other: xs + p)
        words = {name: lists(rng) for name in names}
        for f, g in permutations(ends):
            yield {"m": lambda xs, ys: xs + ys, "f": f, "g": g, **words}
        yield {
            "m": lambda xs, ys: tuple(sorted(xs + ys)),
            "f": lambda xs, p=one: tuple(sorted(xs + p)),
            "g": lambda xs, p=other: tuple(sorted(xs + p)),
            **{name: tuple(sorted(word)) for name, word in words.items()},
        }


def is_law_of(premise: str, model: Model, rng: random.Random) -> bool:
    bound = re.findall(r"∀ (\w+) : α, ", premise)
    equation = premise.strip("()") if not bound else premise[1:-1].rpartition(", ")[2]
    return all(holds(equation, {**model, **{name: lists(rng) for name in bound}}) for _ in range(30))


@settings(max_examples=60)
@given(st.integers(0, 100_000), st.integers(1, 4))
def test_the_equation_holds_wherever_the_premises_do(seed: int, difficulty: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    made = FAMILIES["rewriting"].generate(rng, difficulty)
    if made is None:
        return
    _, *premises, conclusion = re.split(r"(?<=\)), (?=\(∀|[fg] )| → (?!α)", made.statement)
    fitting = [
        model for model in models(made.statement, rng) if all(is_law_of(premise, model, rng) for premise in premises)
    ]
    assert fitting
    assert all(holds(conclusion, model) for model in fitting)


def rearranged(seed: int, difficulty: int = 4, family: str = "rearranging") -> Conjecture | None:
    return FAMILIES[family].generate(random.Random(seed), difficulty)  # noqa: S311


def conclusion_of(made: Conjecture) -> str:
    return re.split(r"(?<=\)) → ", made.statement)[-1]


SIZELESS = ("rearranging", "word_problem")


@settings(max_examples=100)
@given(st.integers(0, 100_000), st.integers(1, 4), st.sampled_from(SIZELESS))
def test_the_rearranged_equation_holds_wherever_the_premises_do(seed: int, difficulty: int, family: str) -> None:
    made = rearranged(seed, difficulty, family)
    if made is None:
        return
    rng = random.Random(seed)  # noqa: S311
    _, *premises = re.split(r"(?<=\)), (?=\(∀)|(?<=\)) → (?!α)", made.statement)[:-1]
    assert len(premises) == 3
    fitting = [
        model
        for model in ends_of_words(made.statement, rng)
        if all(is_law_of(premise, model, rng) for premise in premises)
    ]
    assert fitting
    assert all(holds(conclusion_of(made), model) for model in fitting)


@pytest.mark.parametrize("family", SIZELESS)
def test_nothing_that_rearranges_changes_in_length(family: str) -> None:
    made = [one for seed in range(200) if (one := rearranged(seed, family=family)) is not None]
    assert len(made) > 20
    for one in made:
        left, right = conclusion_of(one).split(" = ")
        assert left != right
        assert len(left) == len(right)
        assert sorted(left) == sorted(right)


def test_what_is_rearranged_is_simplified_on_the_right_only() -> None:
    """By ``m (m x y) z = m x (m y z)``, wherever that is among the laws, no product starts with a product."""
    made = [one for seed in range(400) if (one := rearranged(seed)) is not None]
    joined = [one for one in made if re.search(r"m \(m (\w) (\w)\) (\w) = m \1 \(m \2 \3\)", one.statement)]
    sides = [conclusion_of(one).split(" = ") for one in joined]
    assert joined
    assert not any("m (m" in right for _, right in sides)
    assert sum("m (m" in left for left, _ in sides) > len(sides) / 2


def test_neither_side_of_a_word_problem_is_simplified() -> None:
    """Where ``m (m x y) z = m x (m y z)`` is a law, products start with products on either side."""
    made = [one for seed in range(400) if (one := rearranged(seed, family="word_problem")) is not None]
    sides = [conclusion_of(one).split(" = ") for one in made if re.search(r"m \(m (\w) (\w)\) (\w) = ", one.statement)]
    assert len(sides) > 20
    for side in (0, 1):
        assert sum("m (m" in both[side] for both in sides) > len(sides) / 4


@pytest.mark.lean
@pytest.mark.parametrize("seed", range(4))
async def test_a_short_word_problem_falls_to_rewriting_alone(lean_pool: LeanPool, seed: int) -> None:
    made = [one for number in range(20) if (one := rearranged(100 * seed + number, 1, "word_problem")) is not None]
    statement = made[0].statement
    names = " ".join(re.findall(r"\(([^():]+) : [α→ Type]+\)", statement.partition(", (")[0] + ")"))
    moves = [f"rw [{arrow}{law}]" for law in ("h1", "h2", "h3") for arrow in ("", "← ")]
    async with lean_pool.open(Theorem(name="t", statement=statement)) as proof:
        begun = await proof.run_tactic(proof.root, f"intro {names} h1 h2 h3")
        assert isinstance(begun, ProofAdvanced)
        level = [begun.state]
        for _ in range(3):
            found = [await proof.run_tactic(state, move) for state in level for move in moves]
            if any(isinstance(outcome, ProofFinished) for outcome in found):
                return
            level = [outcome.state for outcome in found if isinstance(outcome, ProofAdvanced)]
    pytest.fail(f"no three steps prove {statement}")


def test_a_chain_grows_with_difficulty() -> None:
    sizes = []
    for difficulty in (1, 4):
        family = FAMILIES["rewriting"]
        made = [family.generate(random.Random(seed), difficulty) for seed in range(60)]  # noqa: S311
        conclusions = [one.statement.rsplit(" → ", 1)[1] for one in made if one is not None]
        sizes.append(sum(map(len, conclusions)) / len(conclusions))
    assert sizes[0] < 0.8 * sizes[1]


def test_a_rearrangement_grows_with_difficulty() -> None:
    def missing(difficulty: int) -> int:
        """How often a chain of that length finds no way on."""
        return sum(rearranged(seed, difficulty) is None for seed in range(200))

    assert missing(1) < missing(8)
