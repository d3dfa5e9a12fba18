"""An option that takes one of several words."""

from __future__ import annotations

from typing import Any, final

import click

from leanebm._shown import hint


@final
class Choice(click.Choice[str]):
    """:class:`click.Choice`, which says also what was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word that was given.

        Raises:
            click.BadParameter: it is not one of them.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            close = hint(value, [str(choice) for choice in self.choices])
            self.fail(f"{error.message.rstrip('.')}{close}", param, ctx)
