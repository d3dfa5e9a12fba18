from __future__ import annotations

import asyncio
import errno
import gzip
import io
import json
import random
from array import array
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.cassette import Cassette, _tape
from leanebm.core import (
    Candidate,
    EncoderIdentity,
    ProofEnvironment,
    ProofState,
    SearchResult,
    TacticPolicy,
    Theorem,
)
from leanebm.errors import (
    CassetteMiss,
    ConfigError,
    PolicyOverloaded,
    PromptTooLong,
    StaleState,
    StatementError,
    WorkerDied,
    WorkerTimeout,
)
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig
from leanebm.search.scorers import BreadthFirst, CumulativeLogProb
from leanebm.testing import LOST, SAMPLE_LEAVES, ScriptedPolicy, ToyCertifier, ToyWorld, check_environment

NUMBERS = [Theorem(name=f"n{value}", statement=str(value)) for value in (1, 5, 12, 21, 29, 31)]
STATES = [leaf.state for leaf in SAMPLE_LEAVES]
QUICKLY = SearchConfig(budget=SearchBudget(max_expansions=40))


class Moody:
    """Proposes in another order each time it is asked, answers late, and is overloaded now and then."""

    def __init__(self, policy: TacticPolicy, seed: int) -> None:
        self.policy, self.rng = policy, random.Random(seed)  # noqa: S311 - moods, not secrets

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        for _ in range(self.rng.randrange(6)):
            await asyncio.sleep(0)
        if self.rng.random() < 0.02:
            raise PolicyOverloaded("too much at once", url="http://there", attempts=3)
        found = list(await self.policy.propose(state, n))
        self.rng.shuffle(found)
        return found


async def search_all(cassette: Cassette, world: ToyWorld | None, *, seed: int, **more: Any) -> list[SearchResult]:
    """Search the numbers at the same time; without a world there is nothing to ask but the cassette."""
    search = BestFirstSearch(
        policy=cassette.policy(None if world is None else Moody(ScriptedPolicy.over(world), seed)),
        environment=cassette.environment(world),
        certifier=cassette.certifier(None if world is None else ToyCertifier(world)),
        **{"config": QUICKLY, **more},
    )
    return await asyncio.gather(*(search.run(theorem) for theorem in NUMBERS))


def timeless(results: Sequence[SearchResult]) -> list[SearchResult]:
    """The results without their wall times; what Lean said that it took stays."""
    spent: dict[str, Any] = {f"{name}_s": 0.0 for name in ("wall", "policy", "lean", "score", "certify")}
    for result in results:
        for node in result.nodes:
            node.found_s = 0.0
    return [attrs.evolve(result, statistics=attrs.evolve(result.statistics, **spent)) for result in results]


@pytest.mark.parametrize("seed", range(8))
async def test_searches_at_the_same_time_replay_alike(tmp_path: Path, seed: int) -> None:
    """Their policy answers equal states differently, so that answers must not change places."""
    world = attrs.evolve(ToyWorld.countdown(32), cheats=frozenset({("1", "done")}) if seed == 0 else frozenset())
    with Cassette.record(tmp_path / "a.jsonl.gz") as cassette:
        recorded = await search_all(cassette, world, seed=seed)
    again = await search_all(Cassette.replay(tmp_path / "a.jsonl.gz"), None, seed=seed)
    assert timeless(again) == timeless(recorded)
    refs = [[node.state.ref for node in result.nodes] for result in recorded]
    assert [[node.state.ref for node in result.nodes] for result in again] == refs
    assert all(type(a.error) is type(b.error) for a, b in zip(again, recorded, strict=True))


async def test_what_was_lost_is_lost_again_with_all_that_was_said(tmp_path: Path) -> None:
    world = ToyWorld.countdown(32)
    moves: Any = world.moves
    moves["5"] = dict.fromkeys(moves["5"], LOST)
    with Cassette.record(tmp_path / "a.gz") as cassette:
        recorded = await search_all(cassette, world, seed=3)
    again = await search_all(Cassette.replay(tmp_path / "a.gz"), None, seed=3)
    lost = [(a.error, b.error) for a, b in zip(recorded, again, strict=True) if isinstance(a.error, WorkerDied)]
    assert lost
    for before, after in lost:
        assert isinstance(after, WorkerDied)
        assert (str(after), after.__dict__) == (str(before), before.__dict__)


ERRORS = [
    WorkerTimeout("silent", command="goal.tactic", worker=1, epoch=7, elapsed_s=2.5, stderr_tail="tail"),
    PolicyOverloaded("full", url="http://x", attempts=4),
    PromptTooLong("long"),
    StatementError("elab", "unknown ⊢", command="open"),
    StaleState("gone"),
    ConfigError("wrong", ["a @ b", "c @ d"]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_errors_are_answers(tmp_path: Path, error: Exception) -> None:
    class Broken:
        async def propose(self, _: ProofState, __: int) -> Sequence[Candidate]:
            raise error

        async def energies(self, _: Sequence[ProofState]) -> Sequence[float]:
            raise error

    async def ask(cassette: Cassette) -> None:
        broken = None if cassette.is_replay else Broken()
        for asking in (
            cassette.policy(broken).propose(STATES[0], 4),
            cassette.energy_model(broken).energies(STATES),
        ):
            with pytest.raises(type(error)) as caught:
                await asking
            assert (str(caught.value), caught.value.__dict__) == (str(error), error.__dict__)

    with Cassette.record(tmp_path / "a.gz") as cassette:
        await ask(cassette)
    await ask(Cassette.replay(tmp_path / "a.gz"))


class Encoder:
    async def identity(self) -> EncoderIdentity:
        return EncoderIdentity(pooling="mean", is_normalized=False, dim=3)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [len(text) / 3, -0.1, 1e-30]) for text in texts]


class Model:
    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [0.1 + len(state.text) / 3 for state in states]


async def test_vectors_and_energies_come_back_to_the_last_bit_in_whatever_company(tmp_path: Path) -> None:
    texts = ["⊢ a", "⊢ b c", ""]
    with Cassette.record(tmp_path / "a.gz") as cassette:
        encoder, model = cassette.encoder(Encoder()), cassette.energy_model(Model())
        recorded = await encoder.identity(), await encoder.encode(texts), await model.energies(STATES)
    again = Cassette.replay(tmp_path / "a.gz")
    assert await again.encoder().identity() == recorded[0]
    assert [*await again.encoder().encode(texts[1:]), *await again.encoder().encode(texts[:1])] == [
        *recorded[1][1:],
        recorded[1][0],
    ]
    assert list(await again.energy_model().energies(STATES[2:])) == list(recorded[2][2:])


async def test_an_environment_on_tape_keeps_the_contract_recorded_and_replayed(tmp_path: Path) -> None:
    world = ToyWorld(moves={"a": {"go": "b", "double": "b & b"}, "b": {"end": "∎"}})
    theorem = Theorem(name="t", statement="a")

    async def check(environment: ProofEnvironment) -> None:
        await check_environment(environment, theorem=theorem, proof=("go", "end"), rejected="stop")

    with Cassette.record(tmp_path / "a.gz") as cassette:
        await check(cassette.environment(world))
    await check(Cassette.replay(tmp_path / "a.gz").environment())


# --- misses -------------------------------------------------------------------------------------


async def recorded_search(path: Path) -> None:
    with Cassette.record(path) as cassette:
        await search_all(cassette, ToyWorld.countdown(32), seed=5)


async def test_a_miss_names_what_was_asked_first_and_is_no_outcome(tmp_path: Path) -> None:
    await recorded_search(tmp_path / "a.gz")
    fewer = attrs.evolve(QUICKLY, candidates_per_state=3)
    with pytest.raises(CassetteMiss, match=r"the policy, for 3 tactics on\n⊢ 1\n.*was not asked when it was recorded"):
        await search_all(Cassette.replay(tmp_path / "a.gz"), None, seed=5, config=fewer)
    with pytest.raises(CassetteMiss, match="Lean, to open other: 17"):
        async with Cassette.replay(tmp_path / "a.gz").environment().open(Theorem(name="other", statement="17")):
            pass


async def test_another_order_over_the_same_answers_is_no_miss_as_far_as_they_go(tmp_path: Path) -> None:
    world = ToyWorld.countdown(16)
    everything = SearchConfig(budget=SearchBudget(max_expansions=1000))
    theorem = Theorem(name="n", statement="16")

    async def search(cassette: Cassette, scorer: Any, world: ToyWorld | None) -> SearchResult:
        parts = (ScriptedPolicy.over(world), world) if world else (None, None)
        certifier = cassette.certifier(None if world is None else ToyCertifier(attrs.evolve(world, cheats=CHEATS)))
        search = BestFirstSearch(
            policy=cassette.policy(parts[0]),
            environment=cassette.environment(parts[1]),
            certifier=certifier,
            scorer=scorer,
            config=everything,
        )
        return await search.run(theorem)

    with Cassette.record(tmp_path / "a.gz") as cassette:
        recorded = await search(cassette, BreadthFirst(), world)
    again = await search(Cassette.replay(tmp_path / "a.gz"), CumulativeLogProb(), None)
    assert {node.state.key for node in again.nodes} == {node.state.key for node in recorded.nodes}


CHEATS = frozenset({("1", "done")})
"""So that no proof ends a search, and every state is expanded."""


async def test_each_answer_is_given_once(tmp_path: Path) -> None:
    with Cassette.record(tmp_path / "a.gz") as cassette:
        target = STATES[0].goals[0].target
        policy = cassette.policy(Moody(ScriptedPolicy.of({target: {"rfl": 0.5, "simp": 0.2, "omega": 0.1}}), 1))
        state = attrs.evolve(STATES[0])
        recorded = [await policy.propose(state, 4) for _ in range(3)]
    replayed = Cassette.replay(tmp_path / "a.gz").policy()
    assert [await replayed.propose(state, 4) for _ in range(3)] == [tuple(each) for each in recorded]
    with pytest.raises(CassetteMiss, match="it was asked 3 times when it was recorded, and now once more"):
        await replayed.propose(state, 4)


async def test_equal_questions_at_the_same_time_are_answered_in_the_order_they_were_asked_in(tmp_path: Path) -> None:
    class Reversed:
        """Answers the last one first."""

        def __init__(self) -> None:
            self.asked: list[asyncio.Event] = []

        async def propose(self, _: ProofState, __: int) -> Sequence[Candidate]:
            turn, number = asyncio.Event(), len(self.asked)
            self.asked.append(turn)
            if number == 2:
                turn.set()
            await turn.wait()
            if number:
                self.asked[number - 1].set()
            return (Candidate(f"answer {number}", -1.0),)

    async def ask(policy: TacticPolicy) -> list[str]:
        found = await asyncio.gather(*(policy.propose(STATES[0], 1) for _ in range(3)))
        return [candidate.tactic for [candidate] in found]

    with Cassette.record(tmp_path / "a.gz") as cassette:
        recorded = await ask(cassette.policy(Reversed()))
    assert recorded == ["answer 0", "answer 1", "answer 2"]
    assert await ask(Cassette.replay(tmp_path / "a.gz").policy()) == recorded


async def test_a_miss_where_the_recording_was_broken_off_says_so(tmp_path: Path) -> None:
    async def interrupted() -> None:
        with Cassette.record(tmp_path / "a.gz") as cassette:
            await cassette.energy_model(Model()).energies(STATES[:1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await interrupted()
    with pytest.raises(CassetteMiss, match=r"had been broken off by then \(KeyboardInterrupt\)"):
        await Cassette.replay(tmp_path / "a.gz").energy_model().energies(STATES[1:2])


async def test_numbers_of_numpys_are_recorded(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    class Policy:
        async def propose(self, _: ProofState, __: int) -> Sequence[Candidate]:
            return (Candidate("rfl", numpy.float32(-0.3), num_tokens=numpy.int64(2)),)

    with Cassette.record(tmp_path / "a.gz") as cassette:
        recorded = await cassette.policy(Policy()).propose(STATES[0], 1)
    assert await Cassette.replay(tmp_path / "a.gz").policy().propose(STATES[0], 1) == recorded


async def test_what_was_noted_and_all_but_the_last_answers_are_on_the_file_at_any_time(tmp_path: Path) -> None:
    with Cassette.record(tmp_path / "a.gz") as cassette:
        cassette.note(settings="x = 1")
        assert Cassette.replay(tmp_path / "a.gz").about["settings"] == "x = 1"
        model = cassette.energy_model(Model())
        for _ in range(40):
            await model.energies(STATES[:1])
        killed = Cassette.replay(tmp_path / "a.gz").energy_model()
        for _ in range(20):
            await killed.energies(STATES[:1])


# --- the file -----------------------------------------------------------------------------------


async def test_what_a_killed_process_wrote_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    await recorded_search(tmp_path / "a.gz")
    whole = (tmp_path / "a.gz").read_bytes()
    (tmp_path / "b.gz").write_bytes(whole[: len(whole) // 2])
    cassette = Cassette.replay(tmp_path / "b.gz")
    with pytest.raises(CassetteMiss, match="the recording ended early"):
        await search_all(cassette, None, seed=5)


async def test_a_full_recording_does_not_end_what_is_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Cassette.record(tmp_path / "a.gz", max_bytes=20_000) as cassette:
        results = await search_all(cassette, ToyWorld.countdown(32), seed=5)
    assert any(result.certificate for result in results)
    assert "the recording is full" in caplog.text
    assert len(gzip.decompress((tmp_path / "a.gz").read_bytes())) < 21_000
    with pytest.raises(CassetteMiss, match="the recording was full"):
        await search_all(Cassette.replay(tmp_path / "a.gz"), None, seed=5)


class FullDisk(io.FileIO):
    """A file on a disk with room for little."""

    room = 3000

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


async def test_a_full_disk_is_told_when_what_is_recorded_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open: Any = Path.open

    def open_(path: Path, mode: str = "r", **more: Any) -> Any:
        return FullDisk(path, mode.replace("b", "")) if path.suffix == ".gz" else real_open(path, mode, **more)

    monkeypatch.setattr(Path, "open", open_)
    monkeypatch.setattr(_tape, "_LINES_PER_FLUSH", 8)
    results: list[SearchResult] = []
    with pytest.raises(OSError, match="No space left"), Cassette.record(tmp_path / "a.gz") as cassette:
        results += await search_all(cassette, ToyWorld.countdown(32), seed=5)
    assert any(result.certificate for result in results)


def test_nothing_is_overwritten_and_what_never_began_leaves_no_file(tmp_path: Path) -> None:
    with Cassette.record(tmp_path / "new" / "a.gz") as cassette:
        cassette.note(a=1)
    assert not (tmp_path / "new" / "a.gz").exists()
    (tmp_path / "a.gz").write_text("mine")
    with pytest.raises(ConfigError, match="already exists"), Cassette.record(tmp_path / "a.gz"):
        pass
    assert (tmp_path / "a.gz").read_text() == "mine"


async def test_notes_and_theorems_are_on_it(tmp_path: Path) -> None:
    theorems = [*NUMBERS, Theorem(name="lib", copy_from="Nat.add_comm", header="open Nat")]
    with Cassette.record(tmp_path / "a.gz") as cassette:
        cassette.note(lean_version="4.20", served={"a": [1, None]})
        cassette.note_theorems(theorems)
        await cassette.energy_model(Model()).energies(STATES)
    again = Cassette.replay(tmp_path / "a.gz")
    assert again.theorems == tuple(theorems)
    assert again.about["served"] == {"a": [1, None]}
    with pytest.raises(TypeError, match="needs a real part"), Cassette.record(tmp_path / "b.gz") as cassette:
        cassette.policy()


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def rewrite(path: Path, lines: Sequence[Any]) -> None:
    path.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.write_bytes(b"theorem"), "is not a cassette"),
        (lambda path: path.unlink(), "cannot read the cassette"),
        (lambda path: rewrite(path, [{"leanebm_cassette": 3}]), "its version is 3, not 2"),
        (
            lambda path: rewrite(path, [{"leanebm_cassette": 3, "leanebm_version": "7.1"}]),
            "it with leanebm 7.1, wh",
        ),
        (lambda path: rewrite(path, [{"leanebm_cassette": True}]), "its version is True, not 2"),
        (lambda path: rewrite(path, [[1, 2]]), "is not a cassette"),
        (lambda path: rewrite(path, []), "is not a cassette: its first line does not say"),
        (lambda path: path.write_bytes(b""), "is not a cassette: its first line does not say"),
        (lambda path: path.write_bytes(gzip.compress(b'{"leanebm_cassette": 1')), "its first line does not say"),
        (lambda path: rewrite(path, [*lines_of(path), {"hm": 1}]), "neither a question nor an answer @ line"),
        (lambda path: rewrite(path, [*lines_of(path)[:1], {"ask": "open", "of": {}, "at": [1]}]), "@ line 2"),
        (lambda path: path.write_bytes(path.read_bytes()[:200] + b"x" * 50 + path.read_bytes()[250:]), "damaged"),
    ],
)
async def test_damage_is_told_with_its_place(tmp_path: Path, damage: Callable[[Path], object], why: str) -> None:
    await recorded_search(tmp_path / "a.gz")
    damage(tmp_path / "a.gz")
    with pytest.raises(ConfigError, match=why):
        Cassette.replay(tmp_path / "a.gz")


async def test_more_than_is_allowed_is_not_read(tmp_path: Path) -> None:
    await recorded_search(tmp_path / "a.gz")
    assert (tmp_path / "a.gz").stat().st_size < 20_000
    with pytest.raises(ConfigError, match="holds more than 20000 bytes, the most that is read"):
        Cassette.replay(tmp_path / "a.gz", max_bytes=20_000)


async def test_an_answer_that_makes_no_sense_is_damage_and_not_a_value(tmp_path: Path) -> None:
    with Cassette.record(tmp_path / "a.gz") as cassette:
        await cassette.energy_model(Model()).energies(STATES[:1])
    lines = lines_of(tmp_path / "a.gz")
    rewrite(tmp_path / "a.gz", [line | {"answer": "low"} if "ask" in line else line for line in lines])
    with pytest.raises(ConfigError, match="an answer that cannot be read"):
        await Cassette.replay(tmp_path / "a.gz").energy_model().energies(STATES[:1])


async def test_a_cancelled_question_has_no_answer(tmp_path: Path) -> None:
    class Slow:
        async def propose(self, _: ProofState, __: int) -> Sequence[Candidate]:
            await asyncio.Event().wait()
            return ()

    asking: Awaitable[Any]
    with Cassette.record(tmp_path / "a.gz") as cassette:
        await cassette.energy_model(Model()).energies(STATES[:1])
        asking = asyncio.ensure_future(cassette.policy(Slow()).propose(STATES[0], 1))
        await asyncio.sleep(0)
        asyncio.Task.cancel(asking)
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert [line["ask"] for line in lines_of(tmp_path / "a.gz") if "ask" in line] == ["energy"]
