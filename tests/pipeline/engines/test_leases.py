from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NoReturn

import attrs
import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.pipeline.engines._leases import MAX_CLAIMS, Leases

EXPIRES_S = 60.0


@attrs.define
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


Join = Callable[..., Leases]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def join(tmp_path: Path, clock: Clock) -> Join:
    def join(worker: str, names: Sequence[str] = "abc", *, its: Clock = clock, expires_s: float = EXPIRES_S) -> Leases:
        leases = Leases(tmp_path / "leases", worker, list(names), expires_s=expires_s, clock=its)
        leases.beat()
        return leases

    return join


def test_items_are_claimed_in_their_order_and_each_by_one_worker(join: Join) -> None:
    one, other = join("one"), join("other")
    assert [one.claim(), other.claim(), one.claim()] == ["a", "b", "c"]
    assert one.claim() is other.claim() is None


def test_many_workers_at_once_claim_each_item_once(join: Join) -> None:
    names = "".join(chr(0x100 + number) for number in range(60))
    workers = [join(f"worker-{number}", names) for number in range(8)]

    def claim_all(leases: Leases) -> list[str]:
        return list(iter(leases.claim, None))

    with ThreadPoolExecutor(len(workers)) as threads:
        claimed = [name for names in threads.map(claim_all, workers) for name in names]
    assert sorted(claimed) == sorted(names)


def test_what_is_done_is_claimed_by_nobody(join: Join, clock: Clock) -> None:
    one, other = join("one", "a"), join("other", "a")
    assert one.claim() == "a"
    assert other.claim() is None
    clock.now_s += EXPIRES_S  # so that it is slow
    one.end("a", is_final=True)
    assert join("late", "a").claim() is None
    one.leave()
    assert other.claim() is None, "although its last look is older than that"
    other.beat()
    assert other.is_done("a")
    assert not other.is_waiting_for_others()


def test_who_waits_for_others_sees_at_once_that_they_are_done(join: Join) -> None:
    one, other = join("one", "a"), join("other", "a")
    assert one.claim() == "a"
    assert other.claim() is None
    assert other.is_waiting_for_others()
    one.end("a", is_final=True)
    assert not other.is_waiting_for_others()
    assert other.is_done("a")


def test_what_was_done_and_waits_all_the_same_is_done_again_by_one_of_those_who_come(join: Join) -> None:
    before = join("before")
    assert [before.claim() for _ in "abc"] == ["a", "b", "c"]
    for name in "abc":
        before.end(name, is_final=True)
    before.leave()
    one, other = join("one", "ab"), join("other", "ab")  # of c, there is a result
    assert [one.claim(), other.claim(), one.claim(), other.claim()] == ["a", "b", None, None]
    assert one.is_waiting_for_others()
    one.end("a", is_final=True)
    one.leave()
    other.beat()
    assert other.is_done("a")
    assert other.claim() is None
    other.end("b", is_final=True)
    assert not other.is_waiting_for_others()
    other.leave()
    for number in range(2, MAX_CLAIMS):
        later = join(f"later-{number}", "a")
        assert later.claim() == "a"
        later.end("a", is_final=True)
        later.leave()
    last = join("last", "a")
    assert last.claim() is None, "one that is refused again and again is done"
    assert not last.given_up()


def test_a_dead_workers_items_are_claimed_again_when_its_heart_was_not_heard_for_long_enough(
    join: Join, clock: Clock
) -> None:
    dead, heir = join("dead", "a"), join("heir", "a")
    assert dead.claim() == "a"
    heir.beat()
    clock.now_s += EXPIRES_S - 1
    heir.beat()
    assert heir.claim() is None
    assert heir.is_waiting_for_others()
    clock.now_s += 2
    heir.beat()
    assert not heir.is_waiting_for_others()
    assert heir.claim() == "a"


def test_nobody_waits_for_ever_for_another_who_has_other_items(join: Join, clock: Clock) -> None:
    one, other = join("one", "a"), join("other", "b")
    assert [one.claim(), other.claim()] == ["a", "b"]
    one.end("a", is_final=False)
    other.end("b", is_final=False)
    waited = 0
    while one.is_waiting_for_others() or other.is_waiting_for_others():
        clock.now_s += EXPIRES_S / 4
        waited += 1
        one.beat()
        other.beat()
        assert waited < 100
    assert waited > 4, "for a while, the other may come to it yet"


def test_clocks_need_not_agree(join: Join, clock: Clock) -> None:
    ahead = Clock(1e9)
    one, other = join("one", "ab"), join("other", "ab", its=ahead)
    assert one.claim() == "a"
    assert other.claim() == "b"
    for _ in range(5):
        clock.now_s += 1.0
        ahead.now_s += 1.0
        one.beat()
        other.beat()
    assert one.claim() is other.claim() is None
    assert one.is_waiting_for_others()
    assert other.is_waiting_for_others()


@pytest.mark.parametrize(("of_one", "of_other"), [(6000.0, 60.0), (60.0, 6000.0), (1e300, 1.0), (60.0, 60.0)])
def test_leases_need_not_be_alike(join: Join, clock: Clock, of_one: float, of_other: float) -> None:
    one, other = join("one", "a", expires_s=of_one), join("other", "a", expires_s=of_other)
    assert one.claim() == "a"
    other.beat()
    for _ in range(3):  # it beats as seldom as its own lease lets it
        clock.now_s += 0.9 * min(of_one, 1e6)
        other.beat()
        assert other.is_waiting_for_others(), "it is slow, perhaps, but alive"
        one.beat()
        other.beat()
    clock.now_s += 1.1 * min(of_one, 1e9)
    other.beat()
    assert not other.is_waiting_for_others(), "now it is silent for longer than it said itself"
    assert other.claim() == "a"


def test_who_leaves_in_good_order_is_inherited_from_at_once(join: Join) -> None:
    one, heir = join("one", "a"), join("heir", "a")
    assert one.claim() == "a"
    one.leave()
    heir.beat()
    assert heir.claim() == "a"


def test_a_worker_that_came_after_the_last_look_is_not_taken_for_dead(join: Join) -> None:
    early = join("early", "a")
    late = join("late", "a")
    assert late.claim() == "a"
    assert early.claim() is None
    assert early.is_waiting_for_others()


def test_who_is_idle_tries_what_another_has_had_for_long_and_nobody_tries_an_item_twice(
    join: Join, clock: Clock
) -> None:
    slow, idle = join("slow", "a"), join("idle", "a")
    assert slow.claim() == "a"
    idle.beat()
    clock.now_s += EXPIRES_S
    slow.beat()
    idle.beat()
    assert slow.claim() is None
    assert idle.claim() == "a"
    assert idle.claim() is None
    idle.end("a", is_final=True)
    slow.beat()
    assert slow.is_done("a")


def test_what_was_lost_is_left_to_the_others_and_given_up_in_the_end(join: Join) -> None:
    for number in range(MAX_CLAIMS):
        worker = join(f"worker-{number}", "a")
        assert worker.claim() == "a"
        assert worker.given_up() == (["a"] if number == MAX_CLAIMS - 1 else [])
        worker.end("a", is_final=False)
        assert worker.claim() is None
        assert not worker.is_waiting_for_others()
    last = join("last", "a")
    assert last.claim() is None
    assert last.given_up() == ["a"]
    assert not last.is_waiting_for_others()


def test_who_lost_an_item_waits_as_long_as_another_who_lives_may_try_it_and_no_two_wait_for_each_other(
    join: Join, clock: Clock
) -> None:
    one, other = join("one", "ab"), join("other", "ab")
    assert [one.claim(), other.claim()] == ["a", "b"]
    one.beat()
    one.end("a", is_final=False)
    assert one.claim() is None
    assert one.is_waiting_for_others(), "the other will try it when it has done b"
    other.end("b", is_final=True)
    assert other.claim() == "a"
    assert one.is_waiting_for_others(), "it tries it"
    other.end("a", is_final=False)
    one.beat()
    assert not one.is_waiting_for_others()
    assert not other.is_waiting_for_others()
    assert one.unfinished() == ["a"]
    late = join("late", "a")
    one.beat()
    assert one.is_waiting_for_others(), "it lives, and has not tried it"
    clock.now_s += 2 * EXPIRES_S
    one.beat()
    assert not one.is_waiting_for_others(), "it is dead"
    assert late.claim() == "a"


def test_an_item_is_not_given_up_while_one_who_lives_is_at_it_though_others_died_of_it_later(
    join: Join, clock: Clock
) -> None:
    slow = join("slow", "a")
    assert slow.claim() == "a"
    for number in range(1, MAX_CLAIMS):
        clock.now_s += EXPIRES_S
        slow.beat()
        dead = join(f"dead-{number}", "a")
        clock.now_s += EXPIRES_S
        slow.beat()
        dead.beat()
        assert dead.claim() == "a"
    idle = join("idle", "a")
    for _ in range(6):
        clock.now_s += EXPIRES_S / 3
        slow.beat()
        idle.beat()
        assert idle.claim() is None
    assert idle.is_waiting_for_others()
    slow.end("a", is_final=True)
    assert not idle.is_waiting_for_others()
    assert idle.unfinished() == idle.given_up() == []


@pytest.mark.parametrize("content", [b"", bytes(8), b"\xff", b"a/b", b"..", b"x" * 400, b"one\n", None])
def test_a_claim_without_a_name_is_somebodys_until_it_is_old(
    join: Join, clock: Clock, tmp_path: Path, content: bytes | None
) -> None:
    (tmp_path / "leases").mkdir()
    if content is None:
        (tmp_path / "leases" / "a.0").mkdir()
    else:
        (tmp_path / "leases" / "a.0").write_bytes(content)
    heir = join("heir", "a")
    assert heir.claim() is None
    assert heir.is_waiting_for_others()
    clock.now_s += EXPIRES_S
    assert heir.claim() == "a"


def test_names_of_theorems_cannot_be_taken_for_other_files(join: Join) -> None:
    names = ["a.0", "a", "a.done", "workers", "../a"]
    one = join("one", names)
    assert [one.claim() for _ in names] == names
    assert join("other", names).claim() is None


@pytest.mark.parametrize("content", [b"", bytes(8), b"\xff", None])
def test_a_heart_that_beats_in_no_way_of_ours_is_heard_as_one_that_stands_still(
    join: Join, clock: Clock, tmp_path: Path, content: bytes | None
) -> None:
    heart = tmp_path / "leases" / "workers" / "broken"
    heart.parent.mkdir(parents=True)
    heart.mkdir() if content is None else heart.write_bytes(content)
    (tmp_path / "leases" / "a.0").write_text("broken")
    heir = join("heir", "a")
    assert heir.claim() is None
    clock.now_s += EXPIRES_S
    heir.beat()
    assert heir.claim() == "a"


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [(errno.ENOSPC, TrajectoryError, "No space left on device"), (errno.EROFS, ConfigError, "choose another place")],
)
def test_a_disk_that_fails_later_on_is_one_message(
    join: Join, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], said: str
) -> None:
    one, other = join("one", "abcd"), join("other", "abcd")
    assert [one.claim(), one.claim(), other.claim()] == ["a", "b", "c"]
    one.beat()

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr(Path, "write_text", fail)
    for attempt in (
        one.beat,
        one.claim,
        one.is_waiting_for_others,
        partial(other.end, "c", is_final=True),
        partial(one.end, "b", is_final=False),
    ):
        with pytest.raises(kind, match=f"leases c.*{said}"):
            attempt()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "leases").touch()
    with pytest.raises(ConfigError, match="cannot be written to"):
        Leases(tmp_path / "leases", "one", "a", expires_s=1.0).beat()


def test_a_claim_that_never_gets_a_name_holds_its_item_only_until_it_expires(
    join: Join, clock: Clock, tmp_path: Path
) -> None:
    one = join("one", "a")
    (tmp_path / "leases" / f"{next(iter(one._names))}.0").touch()
    one.beat()
    assert one.claim() is None
    assert one.is_waiting_for_others()
    clock.now_s = EXPIRES_S
    assert not one.is_waiting_for_others()
