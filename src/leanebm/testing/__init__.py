"""A world without Lean, and checks of contracts: for our tests, and for yours."""

from leanebm.testing.backend_contract import check_backend
from leanebm.testing.contracts import (
    SAMPLE_LEAVES,
    ContractBroken,
    check_certifier,
    check_encoder,
    check_energy_model,
    check_environment,
    check_policy,
    check_scorer,
)
from leanebm.testing.fake_policy_server import FakePolicyServer, ReceivedRequest
from leanebm.testing.open_cassette import open_cassette
from leanebm.testing.policy_steps import (
    Answer,
    Compute,
    Drip,
    HangUp,
    Raw,
    Stall,
    Step,
    Truncate,
    embedding_objects,
    hashed_embedding,
    sample_object,
)
from leanebm.testing.scripted_policy import ScriptedPolicy
from leanebm.testing.search_contract import check_search
from leanebm.testing.toy_world import LOST, QED, TIMEOUT, ManualClock, ToyCertifier, ToySession, ToyWorld

__all__ = [
    "LOST",
    "QED",
    "SAMPLE_LEAVES",
    "TIMEOUT",
    "Answer",
    "Compute",
    "ContractBroken",
    "Drip",
    "FakePolicyServer",
    "HangUp",
    "ManualClock",
    "Raw",
    "ReceivedRequest",
    "ScriptedPolicy",
    "Stall",
    "Step",
    "ToyCertifier",
    "ToySession",
    "ToyWorld",
    "Truncate",
    "check_backend",
    "check_certifier",
    "check_encoder",
    "check_energy_model",
    "check_environment",
    "check_policy",
    "check_scorer",
    "check_search",
    "embedding_objects",
    "hashed_embedding",
    "open_cassette",
    "sample_object",
]
