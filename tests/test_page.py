from __future__ import annotations

import sys

import jinja2
import pytest

from leanebm._page import filled_page
from leanebm.errors import LeanEbmError


def test_text_becomes_neither_markup_nor_a_command_to_a_terminal() -> None:
    page = filled_page(
        "leanebm.pipeline.iteration", "page.html.j2",
        arms=[], charts=[], headings=("<b>\x1b[2J",), table=[], notes=[], ticks=[], width=1, height=1,
    )  # fmt: skip
    assert '<th scope="col">&lt;b&gt;\\u001b[2J</th>' in page


def test_a_value_that_is_not_there_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        filled_page("leanebm.pipeline.iteration", "page.html.j2", arms=[])


def test_without_jinja2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(LeanEbmError, match="energy"):
        filled_page("leanebm.pipeline.iteration", "page.html.j2")
