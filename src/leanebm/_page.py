"""Fills in the pages that leanebm writes."""

from __future__ import annotations

from leanebm._extras import extra_needed
from leanebm._shown import printable


def filled_page(package: str, template: str, **values: object) -> str:
    """The HTML that a package's template makes of ``values``; nothing in it steers a terminal.

    Args:
        package: whose folder ``templates`` holds it; it may use those in ``_page_templates``, too.
        template: its file name.
        values: what it asks for; each name in it must be there.

    Raises:
        MissingExtra: jinja2 is not installed; it comes with the extra ``energy``.
    """
    with extra_needed("energy", "a page with curves"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("leanebm", "_page_templates")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return printable(environment.get_template(template).render(**values))
