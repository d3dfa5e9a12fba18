from __future__ import annotations

from typing import Any

import pytest

from leanebm.serve import ServeConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000},
        {"api_key": ""},
        {"api_key": "a b"},
        {"api_key": "a\n"},
        {"receive_s": 0.0},
        {"max_running": 0},
        {"max_queue": -1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the messages are attrs' own
        ServeConfig(**wrong)


def test_it_listens_to_this_machine_only_and_hides_its_key() -> None:
    assert ServeConfig().host == "127.0.0.1"
    assert "hunter2" not in repr(ServeConfig(api_key="hunter2"))


@pytest.mark.parametrize("key", ["hunter2\r\nX: y", "hunter2 ", "hunter2\0", "hunter2é"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        ServeConfig(api_key=key)
    assert "hunter2" not in str(caught.value)
