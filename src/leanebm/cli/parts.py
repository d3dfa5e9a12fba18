"""``leanebm parts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo, echo_json
from leanebm.cli._sections import PART_WORDS, Choice

if TYPE_CHECKING:
    from leanebm.pipeline.part_list import ListedPart


@click.command()
@click.argument("kind", metavar="[KIND]", required=False, type=Choice(list(PART_WORDS)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def parts(*, kind: str | None, as_json: bool) -> None:
    """List the scorers, policies, searches, energy models and Leans that there are, with their settings.

    KIND is scorer, policy, search, energy-model or backend; without it, all are listed. Ours come first, then those
    that installed packages register. Beside these words, each option takes package.module:Name for a part of your
    own.
    """
    import attrs

    from leanebm.pipeline.part_list import listed_parts

    found = {each: list(listed_parts(PART_WORDS[each].group)) for each in PART_WORDS if kind in (None, each)}
    if as_json:
        echo_json({each: [attrs.asdict(part) for part in listed] for each, listed in found.items()})
        return
    for each, listed in found.items():
        words = PART_WORDS[each]
        rows = [*map(_as_text, listed)] or ["  none but your own, as package.module:Name"]
        echo("\n".join([f"{words.plural}, for {words.option} KIND[:key=value,…]", *rows, ""]))


def _as_text(part: ListedPart) -> str:
    source = "" if part.source == "leanebm" else f" (from {part.source})"
    said = [part.line] if part.line else []
    lines = [f"  {part.word}{source}", *(f"      {line}" for line in (*said, *(f"- {each}" for each in part.settings)))]
    if part.example != part.word:
        lines.append(f"      such as  {part.example}")
    return "\n".join(lines)
