"""Makes of README what a package index shows: there, a link to a file of ours would lead nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_OWN_LINK = re.compile(r"\[(?P<label>[^\[\]]+)\]\((?!https?:)(?P<path>[^()\s#]*)(?P<place>#[^()\s]*)?\)")


class ReadmeHook(MetadataHookInterface):
    """Sets ``readme``. Our links are absolute if ``[project.urls]`` names the ``Source``, and else plain text."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling with what stands under ``[project]``."""
        source = metadata.get("urls", {}).get("Source")

        def shown(link: re.Match[str]) -> str:
            label, path, place = link["label"], link["path"], link["place"] or ""
            if source is not None:
                return f"[{label}]({source}/blob/v{metadata['version']}/{path or 'README.md'}{place})"
            return label if path in ("", label) else f"{label} ({path})"

        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": _OWN_LINK.sub(shown, readme)}
