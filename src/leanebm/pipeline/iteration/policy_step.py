"""Where a policy's own learning takes its place in an iteration."""

from __future__ import annotations

import os
from typing import Protocol

from leanebm.errors import ConfigError
from leanebm.pipeline.config import RunConfig


class NothingToLearn(ConfigError):
    """What was found so far is too little for a policy to learn from; the message says why."""


class PolicyStep(Protocol):
    """Teaches a policy, once per round. Any object with this method will do.

    It may have a second one, ``async def check_server(self, run: RunConfig) -> None``, which is called before the first
    search, and raises :class:`~leanebm.errors.ConfigError` where what it would raise in ``learn`` is known already.
    """

    async def learn(
        self, aggregate: str | os.PathLike[str], folder: str | os.PathLike[str], run: RunConfig
    ) -> RunConfig:
        """Let a policy learn, and say how searches are to ask it.

        Every invocation that goes on with the iteration calls this again for the rounds that are done, so a folder
        that is done is to be taken as it is. A killed call is repeated, and must then end the same.

        Args:
            aggregate: a folder with ``proofs.jsonl``, the shortest proofs of all rounds so far as tactic pairs.
            folder: where the policy of this round may be kept.
            run: the settings of searches with the policy that everything began with, to learn from anew.

        Returns:
            ``run`` with other settings of ``policy`` or ``parts.policy``. The encoder must stay the one that it is.

        Raises:
            NothingToLearn: the proofs so far are too few or too much alike. The round goes on with the policy that
                everything began with, and its summary says why.
        """
        ...
