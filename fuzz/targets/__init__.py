"""Every target, by name."""

from fuzz.target import Target
from fuzz.targets import client, heads, lean, server, settings, shards, text_files

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (lean, server, client, settings, text_files, shards, heads)
    for target in module.TARGETS
}
