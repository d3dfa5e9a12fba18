from __future__ import annotations

from typing import Any

import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline import NegativesConfig, structure_settings, unstructure_settings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_steps", 0),
        ("candidates_per_step", 0),
        ("target_negatives", 0),
        ("probe_expansions", -1),
        ("probe_candidates", 0),
        ("probe_wall_s", 0.0),
        ("round", -1),
        ("closers", ("simp\nomega",)),
        ("closers", ("",)),
    ],
)
def test_what_makes_no_sense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        NegativesConfig(**{field: value})
    with pytest.raises(ConfigError, match=field):
        structure_settings({field: value}, NegativesConfig, source="the test")


def test_settings_come_back_from_plain_values() -> None:
    config = NegativesConfig(closers=("simp [*]", "omega"), round=3)
    assert structure_settings(unstructure_settings(config), NegativesConfig, source="the test") == config
