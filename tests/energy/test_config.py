"""Settings of the head: wrong ones are refused before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from leanebm.energy import EnergyHeadConfig, SpectralNormMode


def test_the_settled_head_is_the_default() -> None:
    config = EnergyHeadConfig()
    assert (config.d_in, *config.hidden) == (4096, 2048, 1024, 512)
    assert config.spectral_norm is SpectralNormMode.RANDOM
    assert config.power_iterations == 5


def test_hidden_widths_may_be_a_list_as_toml_has_them() -> None:
    assert EnergyHeadConfig(hidden=[8, 4]).hidden == (8, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"d_in": 0},
        {"d_in": 4096.0},
        {"hidden": (8, 0)},
        {"hidden": ("8",)},
        {"activation": "softmax"},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"spectral_norm": "random"},
        {"power_iterations": 0},
        {"standardize": "yes"},
        {"seed": -1},
    ],
    ids=repr,
)
def test_a_wrong_setting_is_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises((TypeError, ValueError), match=name):
        EnergyHeadConfig(**wrong)
