"""A head in a folder: read back to the bit, refused when damaged, never a mixture of two."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leanebm.core import EncoderIdentity
from leanebm.energy import (
    CheckpointHeader,
    EnergyCheckpoint,
    EnergyHead,
    EnergyHeadConfig,
    SpectralNormMode,
    TunedWeights,
    amend_header,
    load_checkpoint,
    load_header,
    save_checkpoint,
)
from leanebm.energy.checkpoint import HEADER_NAME, WeightsFile, header_from_json, header_to_json, sole_writer
from leanebm.energy.checkpoint_header import Calibration
from leanebm.errors import EnergyError
from leanebm.storage import MAX_TEXT_BYTES, read_regular

ENCODER = EncoderIdentity(model="tiny", pooling="mean", is_normalized=False, dim=8, dtype="float32")

STATES = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def checkpoint_of(seed: int = 0, mode: SpectralNormMode = SpectralNormMode.RANDOM) -> EnergyCheckpoint:
    config = EnergyHeadConfig(d_in=8, hidden=(6, 4), seed=seed, spectral_norm=mode)
    header = CheckpointHeader(config=config, encoder=ENCODER, training={"step": seed}, metrics={"auc": 0.75})
    head = EnergyHead(config)
    head.set_standardization(torch.arange(8.0), torch.arange(1.0, 9.0))
    head.initialise_scale(STATES)
    return EnergyCheckpoint(header=header, head=head)


def saved(folder: Path, seed: int = 0) -> EnergyCheckpoint:
    checkpoint = checkpoint_of(seed)
    save_checkpoint(folder, checkpoint)
    return checkpoint


def weights_in(folder: Path) -> Path:
    (path,) = folder.glob("*.safetensors")
    return path


def forge(folder: Path, data: bytes) -> None:
    """Put other weights in place, with a header that vouches for them."""
    weights_in(folder).write_bytes(data)
    document = json.loads((folder / "head.json").read_text())
    document["weights"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "head.json").write_text(json.dumps(document))


def forge_state(folder: Path, **changes: Tensor | None) -> None:
    state = safetensors.torch.load(weights_in(folder).read_bytes()) | changes
    forge(folder, safetensors.torch.save({name: tensor for name, tensor in state.items() if tensor is not None}))


# --- there and back -------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", SpectralNormMode)
def test_a_head_comes_back_to_the_bit(tmp_path: Path, mode: SpectralNormMode) -> None:
    original = checkpoint_of(mode=mode)
    original.head(STATES)  # so that a count and a persistent vector have moved
    save_checkpoint(tmp_path, original)
    loaded = load_checkpoint(tmp_path, encoder=ENCODER)
    assert loaded.header == original.header
    ours, theirs = original.head.state_dict(), loaded.head.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert torch.equal(original.head.eval()(STATES), loaded.head(STATES))


def test_a_loaded_head_scores_freezes_and_trains(tmp_path: Path) -> None:
    saved(tmp_path)
    head = load_checkpoint(tmp_path).head
    assert not head.training
    assert not head.is_frozen
    head.freeze_spectral()
    assert head(STATES).isfinite().all()
    head.train()(STATES).sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_whether_it_was_frozen_is_not_kept(tmp_path: Path) -> None:
    checkpoint = checkpoint_of()
    checkpoint.head.freeze_spectral()
    save_checkpoint(tmp_path, checkpoint)
    assert not load_checkpoint(tmp_path).head.is_frozen


def test_a_second_checkpoint_replaces_the_first(tmp_path: Path) -> None:
    saved(tmp_path / "deep" / "folder", seed=0)
    saved(tmp_path / "deep" / "folder", seed=1)
    assert load_checkpoint(tmp_path / "deep" / "folder").header.training == {"step": 1}
    assert len(list((tmp_path / "deep" / "folder").iterdir())) == 2


def test_what_a_killed_writer_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    for name in (".head-abc.part", "head-0123.safetensors", "metrics.csv", "other.safetensors"):
        (tmp_path / name).touch()
    saved(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()} - {"head.json"}
    header = json.loads((tmp_path / "head.json").read_text())
    assert kept == {header["weights"]["name"], "metrics.csv", "other.safetensors"}


def test_saving_the_same_head_twice_keeps_its_weights(tmp_path: Path) -> None:
    saved(tmp_path)
    saved(tmp_path)
    assert load_checkpoint(tmp_path).header.training == {"step": 0}


def test_a_header_of_another_head_is_refused() -> None:
    checkpoint = checkpoint_of()
    with pytest.raises(EnergyError, match="describes another head"):
        EnergyCheckpoint(header=checkpoint.header, head=checkpoint_of(seed=1).head)


def test_a_head_that_diverged_is_not_saved_over_a_good_one(tmp_path: Path) -> None:
    saved(tmp_path)
    broken = checkpoint_of(seed=1)
    with torch.no_grad():
        broken.head.log_scale.fill_(torch.nan)
    with pytest.raises(EnergyError, match=r"cannot be saved to .*\n  - log_scale holds numbers that are not finite"):
        save_checkpoint(tmp_path, broken)
    broken = attrs.evolve(broken, head=checkpoint_of(seed=1).head.double())
    with pytest.raises(EnergyError, match=r"log_scale is torch\.float64, should be torch\.float32"):
        save_checkpoint(tmp_path, broken)
    assert load_checkpoint(tmp_path).header.training == {"step": 0}


# --- tuned weights --------------------------------------------------------------------------------
TUNED = TunedWeights(
    alpha=1.0,
    beta=0.75,
    fitted_alpha=0.5,
    fitted_beta=0.5,
    theorems=150,
    max_expansions=16,
    choices=24,
    proved=107,
    proved_without=92,
)


def test_tuned_weights_are_put_into_the_header_and_nowhere_else(tmp_path: Path) -> None:
    original = saved(tmp_path)
    weights, untuned = weights_in(tmp_path).read_bytes(), (tmp_path / HEADER_NAME).read_bytes()
    for tuned in (TUNED, attrs.evolve(TUNED, beta=0.0)):
        amend_header(tmp_path, tuned=tuned)
        assert load_header(tmp_path) == attrs.evolve(original.header, tuned=tuned)
        assert load_checkpoint(tmp_path).header.tuned == tuned
        assert weights_in(tmp_path).read_bytes() == weights
    saved(tmp_path)  # another head, or the same trained again: nobody has tuned it
    assert (tmp_path / HEADER_NAME).read_bytes() == untuned


def test_a_head_that_is_being_trained_or_is_none_is_not_written_into(tmp_path: Path) -> None:
    with pytest.raises(EnergyError, match="holds no energy head"):
        amend_header(tmp_path, tuned=TUNED)
    assert list(tmp_path.iterdir()) == []
    saved(tmp_path)
    with sole_writer(tmp_path), pytest.raises(EnergyError, match="another process"):
        amend_header(tmp_path, tuned=TUNED)
    assert load_header(tmp_path).tuned is None


def test_a_disk_that_refuses_is_told_and_leaves_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnergyError, match=r"head\.json cannot be written: No space left"):
        amend_header(tmp_path, tuned=TUNED)
    assert load_header(tmp_path).tuned is None


# --- another encoder ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value", "difference"),
    [
        ("dim", 16, "dim: 8 here, 16 there"),
        ("dtype", "bfloat16", "dtype: 'float32' here, 'bfloat16' there"),
        ("pooling", "last", "pooling: 'mean' here, 'last' there"),
        ("weights", "round-2", "weights: None here, 'round-2' there"),
    ],
)
def test_another_encoder_is_refused_field_by_field(tmp_path: Path, field: str, value: Any, difference: str) -> None:
    saved(tmp_path)
    other = attrs.evolve(ENCODER, **{field: value})
    with pytest.raises(EnergyError) as refused:
        load_checkpoint(tmp_path, encoder=other)
    assert f"\n  - {difference}" in str(refused.value)
    assert ENCODER.fingerprint in str(refused.value)
    assert other.fingerprint in str(refused.value)


# --- damage ---------------------------------------------------------------------------------------
def test_no_checkpoint_there(tmp_path: Path) -> None:
    with pytest.raises(EnergyError, match="holds no energy head"):
        load_checkpoint(tmp_path / "nowhere")


def test_a_header_cut_anywhere_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "head.json"
    data = path.read_bytes()
    for end in range(len(data) - 1):  # without its last line break it is still whole
        path.write_bytes(data[:end])
        with pytest.raises(EnergyError, match=r"head\.json cannot be used"):
            load_checkpoint(tmp_path)


def test_weights_cut_or_changed_anywhere_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = weights_in(tmp_path)
    data = path.read_bytes()
    places = sorted({0, 1, 7, 8, 9, *range(10, len(data), 37), len(data) - 1})
    flipped = (data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in places)
    for damaged in (*(data[:place] for place in places), *flipped, data + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(EnergyError, match=f"{path.name} is damaged: its SHA-256"):
            load_checkpoint(tmp_path)


def test_cut_weights_are_refused_even_if_the_header_vouches_for_them(tmp_path: Path) -> None:
    saved(tmp_path)
    data = weights_in(tmp_path).read_bytes()
    for end in (0, 4, 8, 100, len(data) // 2, len(data) - 1):
        forge(tmp_path, data[:end])
        with pytest.raises(EnergyError, match="is not a safetensors file"):
            load_checkpoint(tmp_path)


def test_a_header_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "head.json"
    original = path.read_bytes()

    @given(place=st.integers(0, len(original) - 1), byte=st.integers(0, 255))
    @settings(max_examples=150, deadline=None)
    def check(place: int, byte: int) -> None:
        path.write_bytes(original[:place] + bytes([byte]) + original[place + 1 :])
        try:
            loaded = load_checkpoint(tmp_path)
        except EnergyError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017 - it may as well not be raised
        else:
            assert isinstance(loaded.header, CheckpointHeader)

    check()


def test_missing_weights_are_named(tmp_path: Path) -> None:
    saved(tmp_path)
    path = weights_in(tmp_path)
    path.unlink()
    with pytest.raises(EnergyError, match=f"{path.name} is missing"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"log_scale": None}, "log_scale is missing"),
        ({"extra": torch.zeros(1)}, "extra is unknown"),
        ({"mean": torch.zeros(9)}, r"mean has shape \[9\], should have \[8\]"),
        ({"mean": torch.zeros(8, dtype=torch.float16)}, r"mean is torch\.float16, should be torch\.float32"),
        ({"mean": torch.full((8,), torch.inf)}, "mean holds numbers that are not finite"),
    ],
)
def test_weights_of_another_head_are_refused(tmp_path: Path, changes: dict[str, Tensor | None], complaint: str) -> None:
    saved(tmp_path)
    forge_state(tmp_path, **changes)
    with pytest.raises(EnergyError, match=complaint):
        load_checkpoint(tmp_path)


def test_a_header_that_claims_a_giant_costs_no_memory(tmp_path: Path) -> None:
    saved(tmp_path)
    document = json.loads((tmp_path / "head.json").read_text())
    document["config"]["hidden"] = [10**9, 10**9]
    (tmp_path / "head.json").write_text(json.dumps(document))
    with pytest.raises(EnergyError, match=r"does not hold the head that head\.json describes"):
        load_checkpoint(tmp_path)


class Payload:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    saved(tmp_path)
    trace = tmp_path / "executed"
    forge(tmp_path, pickle.dumps(Payload(trace)))
    with pytest.raises(EnergyError, match="is not a safetensors file"):
        load_checkpoint(tmp_path)
    assert not trace.exists()


def test_weights_outside_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    saved(tmp_path / "inside")
    outside = weights_in(tmp_path / "inside").rename(tmp_path / weights_in(tmp_path / "inside").name)
    document = json.loads((tmp_path / "inside" / "head.json").read_text())
    document["weights"]["name"] = f"../{outside.name}"
    (tmp_path / "inside" / "head.json").write_text(json.dumps(document))
    with pytest.raises(EnergyError, match="is missing"):
        load_checkpoint(tmp_path / "inside")


# --- crashes and readers --------------------------------------------------------------------------
class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(14))
def test_a_crash_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    saved(tmp_path, seed=0)
    steps = iter(range(1000))

    def crashing(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == step:
                raise Crash
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for module, name in ((os, "fsync"), (os, "fdopen"), (Path, "chmod"), (Path, "replace"), (Path, "unlink")):
            patch.setattr(module, name, crashing(getattr(module, name)))
        try:
            saved(tmp_path, seed=1)
            finished = True
        except Crash:
            finished = False
    assert finished == (step >= 13)  # six steps to write a file, one to remove the old weights
    seed = load_checkpoint(tmp_path).header.training["step"]
    assert seed in ((1,) if finished else (0, 1))
    saved(tmp_path, seed=2)
    assert len(list(tmp_path.iterdir())) == 2  # what the crash left lying about is gone


def test_a_reader_meets_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, seed=0)
    pending = [1]

    def read_after_a_writer(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
        if pending and path.name != HEADER_NAME:
            saved(tmp_path, seed=pending.pop())  # the header has been read, its weights are about to go
        return read_regular(path, max_bytes=max_bytes)

    monkeypatch.setattr("leanebm.energy.checkpoint.read_regular", read_after_a_writer)
    assert load_checkpoint(tmp_path).header.training == {"step": 1}


@pytest.mark.parametrize("name", ["a\0b", "", "..", "x" * 5_000, "\ud800"])
def test_weights_of_a_name_that_no_file_can_have_are_not_looked_for(tmp_path: Path, name: str) -> None:
    saved(tmp_path)
    document = json.loads((tmp_path / "head.json").read_text())
    document["weights"]["name"] = name
    (tmp_path / "head.json").write_text(json.dumps(document))
    with pytest.raises(EnergyError) as caught:
        load_checkpoint(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) < 12_000


def test_a_header_nested_without_end_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "head.json").write_text('{"schema_version": ' + "[" * 900 + "]" * 900 + "}")
    with pytest.raises(EnergyError, match="schema version"):
        load_checkpoint(tmp_path)


def test_a_head_goes_through_its_checkpoint_from_device_to_device(tmp_path: Path, device: str) -> None:
    written = saved(tmp_path / "here").head
    written.freeze_spectral()
    there = load_checkpoint(tmp_path / "here")
    there.head.to(device)
    save_checkpoint(tmp_path / "there", there)
    back = load_checkpoint(tmp_path / "there").head
    assert {tensor.device.type for tensor in back.state_dict().values()} == {"cpu"}
    back.freeze_spectral()
    assert torch.equal(back(STATES), written(STATES))
    assert weights_in(tmp_path / "there").read_bytes() == weights_in(tmp_path / "here").read_bytes()


WEIGHTS = WeightsFile(name="head-0123456789abcdef.safetensors", sha256="0" * 64)

HEADER = CheckpointHeader(
    config=EnergyHeadConfig(d_in=8, hidden=(4,)),
    encoder=EncoderIdentity(model="tiny", pooling="mean", is_normalized=False, dim=8, dtype="float32"),
    training={"run": "ω-1", "step": 300, "lr": 3e-4, "shuffled": False, "parent": None},
    metrics={"pairwise_sibling": 0.75},
    calibration=Calibration(energy_mean=0.1, energy_sd=1.2, policy_sd=0.7, alpha=0.5, beta=1.0),
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
    assert document["schema_version"] == 2


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
        ("[]", "it is not a JSON object but"),
        ("{}", "schema version null"),
        (changed(lambda d: d.update(schema_version=1)), r"schema version 1; this leanebm reads and writes 2"),
        (
            changed(lambda d: d.update(schema_version=1, training={"leanebm_version": "7.1.0"})),
            r"leanebm 7\.1\.0, wh",
        ),
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
        (header_to_json(HEADER, WEIGHTS).replace("0.75", "NaN"), "it holds NaN, which is not JSON"),
        (header_to_json(HEADER, WEIGHTS).replace("0.75", "1" + "0" * 400), r"\$"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        header_from_json(text)


@pytest.mark.parametrize("of", ["head.json", "weights"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, of: str) -> None:
    saved(tmp_path)
    path = weights_in(tmp_path) if of == "weights" else tmp_path / of
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(EnergyError, match="it is a pipe, and only regular files are read"):
        load_checkpoint(tmp_path)
