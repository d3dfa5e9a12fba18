from __future__ import annotations

import pytest

from leanebm.policy import ModelInfo
from leanebm.policy._versions import versions_of, versions_told


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"weight_version": "w1"}, {"weights": "w1"}),
        ({"adapter_version": "a1", "weight_version": "w1"}, {"weights": "w1", "adapter 'a'": "a1"}),
        ({"weight_version": 1, "adapter_version": None}, {}),
        ("w1", {}),
    ],
)
def test_an_answer_says_what_it_was_made_with(said: object, read: dict[str, str]) -> None:
    assert list(versions_of({"meta_info": said}, "a").items()) == list(read.items())


@pytest.mark.parametrize("item", [None, [], {}, "w1"])
def test_an_answer_of_another_shape_says_nothing(item: object) -> None:
    assert versions_of(item, "a") == {}


def test_a_server_says_what_it_has() -> None:
    info = ModelInfo(weight_version="w1", adapters={"a": "a1", "b": "b1"})
    assert versions_told(info) == {"weights": "w1", "adapter 'a'": "a1", "adapter 'b'": "b1"}
    assert versions_told(ModelInfo()) == {}
