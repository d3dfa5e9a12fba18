"""How a search is made from its parts."""

from __future__ import annotations

from typing import Protocol

from leanebm.core import EnergyModel, ProofCertifier, ProofEnvironment, ProofSearch, StateScorer, TacticPolicy
from leanebm.search.best_first import SearchConfig
from leanebm.search.progress import SearchObserver


class SearchFactory(Protocol):
    """Makes a search: :class:`~leanebm.search.BestFirstSearch`, a class of your own, or a function.

    It is called by keyword, with all of these, once for a whole run. Whatever it does not need it may take as
    ``**_``; settings of its own are further keyword arguments, with defaults.
    """

    def __call__(
        self,
        *,
        policy: TacticPolicy,
        scorer: StateScorer,
        environment: ProofEnvironment,
        certifier: ProofCertifier,
        energy: EnergyModel | None,
        config: SearchConfig,
        observer: SearchObserver | None,
    ) -> ProofSearch:
        """The search, ready to run."""
        ...
