"""The header's text: what is written is read back, and anything else is refused with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import EncoderIdentity
from leanebm.energy import CheckpointHeader, EnergyHeadConfig, SpectralNormMode
from leanebm.energy.calibration import Calibration
from leanebm.energy.checkpoint_json import WeightsFile, header_from_json, header_to_json

WEIGHTS = WeightsFile(name="head-0123456789abcdef.safetensors", sha256="0" * 64)
HEADER = CheckpointHeader(
    config=EnergyHeadConfig(d_in=8, hidden=(4,)),
    encoder=EncoderIdentity(model="tiny", pooling="mean", is_normalized=False, dim=8, dtype="float32"),
    training={"run": "ω-1", "step": 300, "lr": 3e-4, "shuffled": False, "parent": None},
    metrics={"pairwise_sibling": 0.75},
    calibration=Calibration(
        energy_mean=0.1, energy_sd=1.2, policy_sd=0.7, alpha=0.5, beta=1.0, platt_slope=1.5, platt_intercept=-0.2
    ),
)

finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-6, max_value=1e6)
maybe_text = st.none() | st.text(max_size=8)
configs = st.builds(
    EnergyHeadConfig,
    d_in=st.just(8),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    activation=st.sampled_from(("gelu", "relu", "silu", "tanh")),
    dropout=st.floats(0.0, 0.9),
    spectral_norm=st.sampled_from(SpectralNormMode),
    power_iterations=st.integers(1, 50),
    standardize=st.booleans(),
    seed=st.integers(0, 2**63),
)
encoders = st.builds(
    EncoderIdentity,
    model=maybe_text,
    weights=maybe_text,
    adapter=maybe_text,
    pooling=st.sampled_from(("mean", "last")),
    layer=maybe_text,
    is_normalized=st.booleans(),
    includes_bos=st.none() | st.booleans(),
    dim=st.sampled_from((None, 8)),
    dtype=maybe_text,
)
calibrations = st.builds(
    Calibration,
    energy_mean=finite,
    energy_sd=positive,
    policy_sd=positive,
    alpha=st.floats(0.0, 2.0),
    beta=st.floats(0.0, 9.0),
    platt_slope=finite,
    platt_intercept=finite,
)
headers = st.builds(
    CheckpointHeader,
    config=configs,
    encoder=encoders,
    training=st.dictionaries(
        st.text(max_size=8), st.none() | st.booleans() | st.integers() | finite | st.text(max_size=8), max_size=4
    ),
    metrics=st.dictionaries(st.text(max_size=8), finite, max_size=4),
    calibration=st.none() | calibrations,
)


@given(header=headers)
def test_what_is_written_is_read_back(header: CheckpointHeader) -> None:
    assert header_from_json(header_to_json(header, WEIGHTS)) == (header, WEIGHTS)


def test_an_undefined_metric_is_null_and_comes_back_undefined() -> None:
    text = header_to_json(attrs.evolve(HEADER, metrics={"auc": math.nan}), WEIGHTS)
    assert json.loads(text)["metrics"] == {"auc": None}
    assert math.isnan(header_from_json(text)[0].metrics["auc"])


def test_the_text_is_plain_json_with_the_fingerprint_beside_the_identity() -> None:
    text = header_to_json(HEADER, WEIGHTS)
    assert text.isascii()
    document = json.loads(text)
    assert document["encoder_fingerprint"] == HEADER.encoder.fingerprint
    assert document["schema_version"] == 1


@pytest.mark.parametrize("notes", [{"a": math.nan}, {"a": math.inf}, {"a": [1]}, {"a": {}}])
def test_the_training_notes_are_finite_scalars(notes: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"training\['a'\]"):
        CheckpointHeader(config=HEADER.config, encoder=HEADER.encoder, training=notes)


@pytest.mark.parametrize("metrics", [{"a": math.inf}, {"a": "0.5"}, {"a": None}])
def test_metrics_are_numbers(metrics: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"metrics\['a'\]"):
        CheckpointHeader(config=HEADER.config, encoder=HEADER.encoder, metrics=metrics)


def test_a_head_and_an_encoder_of_different_widths_make_no_header() -> None:
    with pytest.raises(ValueError, match="the encoder's vectors are 9 wide, the head takes 8"):
        attrs.evolve(HEADER, encoder=attrs.evolve(HEADER.encoder, dim=9))


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(header_to_json(HEADER, WEIGHTS))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Expecting value: line 1 column 1"),
        ("[]", "it is no JSON object but"),
        ("{}", "schema version null"),
        (changed(lambda d: d.update(schema_version=2)), r"schema version 2; this leanebm reads and writes 1"),
        (changed(lambda d: d.update(schema_version="1")), 'schema version "1"'),
        (changed(lambda d: d.update(surprise=1)), r"surprise.* @ \$"),
        (changed(lambda d: d["config"].update(depth=1)), r"depth.* @ \$\.config"),
        (changed(lambda d: d["config"].update(d_in="8")), r'must be int, not "8" @ \$\.config\.d_in'),
        (changed(lambda d: d["config"].update(d_in=True)), r"must be int, not true @ \$\.config\.d_in"),
        (changed(lambda d: d["config"].update(hidden="44")), r"@ \$\.config\.hidden"),
        (changed(lambda d: d["config"].update(hidden=None)), r"@ \$\.config\.hidden"),
        (changed(lambda d: d["config"].update(dropout=2)), r"dropout.*@ \$\.config"),
        (changed(lambda d: d["config"].update(spectral_norm="magic")), r"magic.* @ \$\.config\.spectral_norm"),
        (changed(lambda d: d.pop("encoder")), r"required field missing @ \$\.encoder"),
        (changed(lambda d: d.update(encoder=3)), r"@ \$\.encoder"),
        (changed(lambda d: d["encoder"].update(dim=9)), r"9 wide, the head takes 8 @ \$"),
        (changed(lambda d: d["encoder"].update(pooling="last")), "but .*encoder_fingerprint says"),
        (changed(lambda d: d.pop("encoder_fingerprint")), "encoder_fingerprint says null"),
        (changed(lambda d: d.pop("weights")), r"@ \$\.weights"),
        (changed(lambda d: d["weights"].update(sha256=0)), r"must be str, not 0 @ \$\.weights\.sha256"),
        (changed(lambda d: d["training"].update(a=[1])), r"training\['a'\] .* @ \$"),
        (changed(lambda d: d["metrics"].update(a="1")), r"""must be float, not "1" @ \$\.metrics\['a'\]"""),
        (changed(lambda d: d["calibration"].update(energy_sd=-1.0)), r"energy_sd.*@ \$\.calibration"),
        (changed(lambda d: d["calibration"].pop("beta")), r"required field missing @ \$\.calibration\.beta"),
        (header_to_json(HEADER, WEIGHTS).replace("0.75", "NaN"), "it holds NaN, which is no JSON"),
        (header_to_json(HEADER, WEIGHTS).replace("0.75", "1" + "0" * 400), r"\$"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        header_from_json(text)
