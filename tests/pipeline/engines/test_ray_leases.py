from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import hypothesis.strategies as st
from hypothesis import given

from leanebm.pipeline.engines._ray_leases import MAX_LOSSES, Leases
from leanebm.pipeline.engines.engine import Ended
from leanebm.testing import ManualClock


@attrs.frozen
class Names:
    """A job of which only the names matter here."""

    items: Sequence[str]
    path: Path = Path()

    def name_of(self, item: str) -> str:
        return item

    def open(self, *_: object, **__: object) -> Any:
        raise AssertionError("nobody works here")

    async def give_up(self, *_: object, **__: object) -> None:
        raise AssertionError("nobody works here")


def leases(*names: str, clock: ManualClock | None = None, **expected_s: float) -> Leases[str]:
    return Leases(Names(names), expected_s=expected_s, clock=ManualClock() if clock is None else clock)


def done(name: str) -> Ended:
    return Ended(name=name, line=f"done {name}", is_final=True)


def test_each_item_goes_to_one_worker_in_order() -> None:
    book = leases("a", "b", "c")
    assert [book.take("x"), book.take("y"), book.take("x"), book.take("y")] == ["a", "b", "c", None]


def test_the_longest_go_first_and_an_unknown_one_is_taken_for_a_median_one() -> None:
    book = leases("new", "short", "usual", "long", short=1.0, usual=5.0, long=60.0)
    assert [book.take("x") for _ in range(4)] == ["long", "new", "usual", "short"]


def test_what_a_lost_worker_had_goes_first_to_another() -> None:
    book = leases("a", "b", "c", "d")
    for worker in ("x", "y", "x"):
        book.take(worker)
    assert book.give_back("x") == []
    assert [book.take("y") for _ in range(4)] == ["a", "c", "d", None]


def test_an_item_that_workers_die_of_is_given_up() -> None:
    book = leases("poison", "good")
    for number in range(MAX_LOSSES):
        assert book.take(f"x{number}") == "poison"
        given_up = book.give_back(f"x{number}")
    assert [ended.name for ended in given_up] == ["poison"]
    assert not given_up[0].is_final
    assert list(book.ended) == given_up
    assert book.lost == ("poison",)
    assert book.take("y") == "good"


def test_a_slow_item_is_repeated_by_one_idle_worker_and_counts_once() -> None:
    clock = ManualClock()
    book = leases("slow", "quick", clock=clock)
    assert [book.take("x"), book.take("y")] == ["slow", "quick"]
    assert book.take("z") is None  # nothing has ended, so nobody knows what is slow
    clock.advance(1.0)
    assert book.end("y", done("quick")) == ()
    assert book.take("y") is None
    clock.advance(1.5)
    assert book.take("x") is None  # it has it already
    assert book.take("y") == "slow"
    assert book.take("z") is None
    assert book.end("y", done("slow")) == ("x",)
    assert book.end("x", done("slow")) is None
    assert [ended.name for ended in book.ended] == ["quick", "slow"]
    assert book.num_open == 0


def test_what_the_folder_holds_is_not_handed_out() -> None:
    book = leases("a", "b")
    book.joined(["b"])
    assert (book.num_open, book.ended) == (1, ())
    assert book.take("x") == "b"


def test_what_is_on_the_disk_and_not_yet_told_is_not_repeated() -> None:
    clock = ManualClock()
    book = leases("a", "b", clock=clock)
    book.take("x")
    book.take("y")
    book.joined(["b"])  # x has just written it
    assert book.num_open == 2
    clock.advance(1.0)
    book.end("y", done("b"))
    clock.advance(10.0)
    assert book.take("y") is None
    assert book.give_back("x") == []  # x will never tell, and need not
    assert (book.num_open, book.take("y")) == (0, None)


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["take", "end", "lose"])), max_size=60))
def test_every_item_ends_once_whatever_happens(events: list[tuple[str, str]]) -> None:
    clock = ManualClock()
    book = leases(*"abcd", clock=clock)
    held: dict[str, list[str]] = {worker: [] for worker in "xyz"}
    given_up: list[str] = []
    for worker, event in [*events, *[(worker, "lose") for worker in "yz"]]:
        clock.advance(1.0)
        if event == "take" and (item := book.take(worker)) is not None:
            assert item not in held[worker]
            held[worker].append(item)
        elif event == "end" and held[worker]:
            book.end(worker, done(held[worker].pop()))
        elif event == "lose":
            given_up += [ended.name for ended in book.give_back(worker)]
            held[worker] = []
    clock.advance(100.0)
    while (item := held["x"].pop() if held["x"] else book.take("x")) is not None:
        book.end("x", done(item))
    assert sorted(ended.name for ended in book.ended) == list("abcd")
    assert sorted(book.lost) == sorted(given_up)
    assert set(given_up) <= set("abcd")
