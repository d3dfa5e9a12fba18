"""The fuzzer's targets under Hypothesis, and everything that was ever found with them."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from fuzz.mutation import mutated
from fuzz.target import Finding, refusals
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).resolve().parents[2] / "fuzz" / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())

few_and_slow = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_not_found_again(path: Path) -> None:
    TARGETS[path.parent.name].harness(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_good_input(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].harness(seed)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data(), chance=st.randoms(use_true_random=False))
@few_and_slow
def test_damaged_input_is_refused_in_our_own_words(name: str, data: st.DataObject, chance: Random) -> None:
    target = TARGETS[name]
    target.harness(mutated(data.draw(st.sampled_from(target.seeds())), chance, target.words))


@pytest.mark.parametrize("name", TARGETS)
@given(noise=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
@few_and_slow
def test_noise_is_refused_in_our_own_words(name: str, noise: bytes) -> None:
    TARGETS[name].harness(noise)


def test_a_message_without_the_place_is_a_finding() -> None:
    with pytest.raises(Finding, match="does not name"), refusals(ValueError, naming="file.txt"):
        raise ValueError("something is wrong")
    with pytest.raises(Finding, match="without a word"), refusals(ValueError):
        raise ValueError
    with pytest.raises(KeyError), refusals(ValueError):
        raise KeyError
    with refusals(ValueError, naming="file.txt"):
        raise ValueError("something is wrong @ file.txt:3")
