"""Real Lean as WebAssembly, on a Node from a wheel: no toolchain needed, no Mathlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import attrs

from leanebm.errors import ConfigError
from leanebm.lean.absent_modules import how_to_do_without
from leanebm.lean.backends.base import WorkerCommand


@final
@attrs.frozen(kw_only=True)
class EmbeddedBackend:
    """The embedded Lean, which :mod:`leanebm.lean.embedded` prepares once, in the user's cache."""

    name: ClassVar = "embedded"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Install the embedded Lean if it is not there yet (a download of some 120 MB), and use it.

        Raises:
            ConfigError: it does not have all of ``imports``.
            LeanInstallError: no Node, no network, or a damaged package.
        """
        # Imported here: a pool over another backend should not need the installer's dependencies.
        from leanebm.lean.embedded import install

        lean = install()
        if absent := lean.absent(imports):
            raise ConfigError(
                f"the embedded Lean has no module {', '.join(absent)}: it has Init, Std, Lean and what they hold; "
                f"{how_to_do_without(absent)}"
            )
        return lean.worker_command(imports)
