"""What a way to ask a server for tactics has to do."""

from __future__ import annotations

import abc
import random
from collections.abc import Sequence

from leanebm._shown import named_repr
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._samples import SampleBatch
from leanebm.policy._weights import ModelWatch
from leanebm.policy.config import PolicyClientConfig


class Dialect(abc.ABC):
    """One API of one server. Knows how to word requests and read answers, and nothing of retries."""

    def __init__(
        self,
        config: PolicyClientConfig,
        endpoint: Endpoint,
        watch: ModelWatch,
        *,
        stop: Sequence[str],
        rng: random.Random,
    ) -> None:
        self.config = config
        self.endpoint = endpoint
        self.watch = watch
        self.stop = list(stop)
        self.rng = rng

    __repr__ = named_repr("config")

    @abc.abstractmethod
    async def check(self) -> None:
        """Make sure that the server can do what is asked of it, with as few requests as that takes.

        Raises:
            ConfigError: it cannot; the message says what it, or the configuration, would need.
            PolicyError: the server could not answer.
        """

    @abc.abstractmethod
    async def sample(self, prompt: str, n: int) -> SampleBatch:
        """Complete a prompt ``n`` times.

        Raises:
            PromptTooLong: it does not fit the model's context.
            PolicyError: the server could not answer.
        """
