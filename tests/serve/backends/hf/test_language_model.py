from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from _tiny_llama import tiny_llama as build_tiny_llama

from leanebm.errors import ConfigError
from leanebm.serve import HfConfig
from leanebm.serve.backends.hf._language_model import KeyValues, LanguageModel
from leanebm.serve.backends.hf.folder import base_hash

PROMPTS = [[0, 5, 9], [0], [0, 200, 3, 17, 44, 9, 8], [0, 8]]


def random_rows(longest: int) -> list[list[int]]:
    rng = random.Random(0)  # noqa: S311 - test data
    return [[rng.randrange(300) for _ in range(length)] for length in range(1, longest + 1)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_an_embedding_is_the_mean_of_the_last_hidden_state_in_any_company(
    tiny_llama: Path, oracle: Any, attention: str
) -> None:
    model = LanguageModel.load(HfConfig(model=str(tiny_llama), attention=attention))
    rows = random_rows(40)
    together = model.embeddings(rows)
    for row, vector in zip(rows, together, strict=True):
        assert vector is not None
        (alone,) = model.embeddings([row])
        assert alone is not None
        assert list(vector) == pytest.approx(list(alone), abs=1e-5)
        assert list(vector) == pytest.approx(oracle.embedding(row), abs=1e-5)
        assert vector.typecode == "f"


def test_an_embedding_does_not_depend_on_the_order_of_the_batch(model: LanguageModel) -> None:
    rows = random_rows(12)
    backwards = model.embeddings(rows[::-1])[::-1]
    for one, two in zip(model.embeddings(rows), backwards, strict=True):
        assert one is not None
        assert two is not None
        assert list(one) == pytest.approx(list(two), abs=1e-5)


def test_logits_step_by_step_are_those_of_the_whole_text(model: LanguageModel, oracle: Any) -> None:
    past = KeyValues()
    rows = [list(prompt) for prompt in PROMPTS]
    logits = model.logits(rows, past)
    for step in range(3):
        for row, got in zip(rows, logits, strict=True):
            torch.testing.assert_close(got.cpu(), oracle.logits(row)[-1], atol=2e-5, rtol=1e-4)
        new = [[10 + step + index] for index in range(len(rows))]
        rows = [[*row, *token] for row, token in zip(rows, new, strict=True)]
        logits = model.logits(new, past)


def test_rows_may_leave_and_join_between_steps(model: LanguageModel, oracle: Any) -> None:
    past = KeyValues()
    model.logits(PROMPTS, past)
    past.select([1, 3])
    joining = KeyValues()
    model.logits([PROMPTS[2]], joining)
    joining.select([0, 0])
    past.absorb(joining)
    got = model.logits([[5], [6], [7], [8]], past)
    rows = [[*PROMPTS[1], 5], [*PROMPTS[3], 6], [*PROMPTS[2], 7], [*PROMPTS[2], 8]]
    for row, logits in zip(rows, got, strict=True):
        torch.testing.assert_close(logits.cpu(), oracle.logits(row)[-1], atol=2e-5, rtol=1e-4)


def test_it_knows_what_it_is(model: LanguageModel) -> None:
    assert (model.context, model.dim, model.dtype) == (512, 32, "float32")
    assert model.eos_ids == {1}
    assert model.tokenizer.includes_bos
    assert model.free_cache_tokens() > 1000


def test_the_context_can_be_made_shorter_but_not_longer(tiny_llama: Path) -> None:
    contexts = [LanguageModel.load(HfConfig(model=str(tiny_llama), max_context=c)).context for c in (100, 9999)]
    assert contexts == [100, 512]


def test_other_number_formats_come_close(tiny_llama: Path, model: LanguageModel) -> None:
    half = LanguageModel.load(HfConfig(model=str(tiny_llama), dtype="bfloat16"))
    assert half.dtype == "bfloat16"
    (exact,), (rough,) = model.embeddings([PROMPTS[2]]), half.embeddings([PROMPTS[2]])
    assert rough is not None
    assert exact is not None
    assert list(rough) == pytest.approx(list(exact), abs=0.2)


def test_a_vector_that_is_zero_or_not_finite_is_none_and_spoils_no_other(model: LanguageModel) -> None:
    with replaced_embedding(model, 7, 0.0), replaced_embedding(model, 8, float("nan")):
        zero, nan, sound = model.embeddings([[7], [8, 5], [5]])
    assert (zero, nan) == (None, None)
    assert sound is not None


@contextmanager
def replaced_embedding(model: LanguageModel, token: int, value: float) -> Iterator[None]:
    embedding: Any = model._model.get_input_embeddings()
    before = embedding.weight.data[token].clone()
    embedding.weight.data[token] = value
    yield
    embedding.weight.data[token] = before


def test_a_model_that_minds_its_company_is_refused(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model.check()
    forward = model._model.forward

    def without_mask(*args: Any, **more: Any) -> Any:
        return forward(*args, **{**more, "attention_mask": None})

    monkeypatch.setattr(model._model, "forward", without_mask)
    with pytest.raises(ConfigError, match="other logits in a batch"):
        model.check()


def test_a_model_that_fails_in_batches_is_refused(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no cache here")

    monkeypatch.setattr(model._model, "forward", fail)
    with pytest.raises(ConfigError, match="no cache here"):
        model.check()


def test_what_is_served_does_not_change_with_the_file(tmp_path: Path) -> None:
    folder = build_tiny_llama(tmp_path)
    model = LanguageModel.load(HfConfig(model=str(folder)))
    before = model.embeddings(PROMPTS)
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-1000, 2)
        file.write(bytes(1000))
    assert model.embeddings(PROMPTS) == before


# --- other weights ---


def test_new_weights_replace_the_old(model: LanguageModel, other_llama: Path) -> None:
    old_version, before = model.weight_version, model.embeddings(PROMPTS)
    model.update(str(other_llama), None)
    fresh = LanguageModel.load(HfConfig(model=str(other_llama)))
    assert model.embeddings(PROMPTS) == fresh.embeddings(PROMPTS) != before
    assert model.weight_version == fresh.weight_version != old_version
    assert model.path == str(other_llama)
    model.update(str(other_llama), "round-7")
    assert model.weight_version == "round-7"


def test_new_weights_go_under_the_adapters(model: LanguageModel, other_llama: Path, write_adapter: Any) -> None:
    adapter = write_adapter()
    model.adapters.load("a", adapter)
    model.update(str(other_llama), None)
    fresh = LanguageModel.load(HfConfig(model=str(other_llama), adapters={"a": str(adapter)}))
    for name in (None, "a"):
        assert model.embeddings(PROMPTS, adapter=name) == fresh.embeddings(PROMPTS, adapter=name)


def test_the_model_is_read_once_for_all_adapters_that_say_what_they_are_for(
    tiny_llama: Path, other_llama: Path, write_adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counting(folder: Path) -> str:
        hashed.append(folder)
        return base_hash(folder)

    monkeypatch.setattr("leanebm.serve.backends.hf._language_model.base_hash", counting)
    model = LanguageModel.load(HfConfig(model=str(tiny_llama)))
    model.load_adapter("silent", write_adapter("silent"))
    assert hashed == []
    for number, base in enumerate((tiny_llama, tiny_llama, other_llama)):
        adapter = write_adapter(f"for {number}")
        (adapter / "leanebm_policy.json").write_text(json.dumps({"base_hash": base_hash(base)}))
        if base is other_llama:
            with pytest.raises(ConfigError, match="was made for another model"):
                model.load_adapter(f"for {number}", adapter)
            model.update(str(other_llama), None)
        model.load_adapter(f"for {number}", adapter)
    assert hashed == [tiny_llama, other_llama]


def test_weights_of_another_model_are_refused_before_anything_changes(model: LanguageModel, tmp_path: Path) -> None:
    before, version = model.embeddings(PROMPTS), model.weight_version
    with pytest.raises(ConfigError, match="hidden_size: 32 here, 64 there"):
        model.update(str(build_tiny_llama(tmp_path / "wide", hidden=64)), None)
    with pytest.raises(ConfigError, match="tokenizers differ"):
        model.update(str(shuffled_vocabulary(build_tiny_llama(tmp_path / "words"))), None)
    with pytest.raises(ConfigError, match=r"no config\.json"):
        model.update(str(tmp_path / "nowhere"), None)
    with pytest.raises(ConfigError, match="tokenizers differ"):
        model.update(str(without_merges(build_tiny_llama(tmp_path / "letters"))), None)
    assert model.embeddings(PROMPTS) == before
    assert model.weight_version == version


def test_new_weights_bring_their_own_end_tokens(model: LanguageModel, tmp_path: Path) -> None:
    assert model.eos_ids == {1}
    folder = build_tiny_llama(tmp_path)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 7]}))
    model.update(str(folder), None)
    assert model.eos_ids == {1, 7}


def without_merges(folder: Path) -> Path:
    """The same tokens by the same ids, of which those of several bytes are never used."""
    tokenizer = folder / "tokenizer.json"
    settings = json.loads(tokenizer.read_text("utf-8"))
    settings["model"]["merges"] = []
    tokenizer.write_text(json.dumps(settings), "utf-8")
    return folder


def shuffled_vocabulary(folder: Path) -> Path:
    tokenizer = folder / "tokenizer.json"
    settings = json.loads(tokenizer.read_text("utf-8"))
    ids = settings["model"]["vocab"]
    ids["a"], ids["b"] = ids["b"], ids["a"]
    tokenizer.write_text(json.dumps(settings), "utf-8")
    return folder


# --- where it computes ---


def test_a_device_that_is_not_there_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(ConfigError, match=r"'cuda:99' was asked for, but torch .* CUDA device"):
        LanguageModel.load(HfConfig(model=str(tiny_llama), device="cuda:99"))


def test_the_cpu_is_taken_on_demand_even_beside_a_gpu(tiny_llama: Path, model: LanguageModel) -> None:
    on_cpu = LanguageModel.load(HfConfig(model=str(tiny_llama), device="cpu"))
    assert on_cpu.logits([[0]], KeyValues()).device.type == "cpu"
    for one, two in zip(on_cpu.embeddings(PROMPTS), model.embeddings(PROMPTS), strict=True):
        assert one is not None
        assert two is not None
        assert list(one) == pytest.approx(list(two), abs=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_model_that_does_not_fit_on_the_gpu_is_refused(tmp_path: Path, small_gpu: Any) -> None:
    folder = build_tiny_llama(tmp_path, hidden=2048)
    with small_gpu(64), pytest.raises(ConfigError, match=r"does not fit on cuda.*out of memory"):
        LanguageModel.load(HfConfig(model=str(folder), device="cuda"))


HEADS, CHANNELS = 2, 4


def filled(*rows: list[float]) -> KeyValues:
    """Rows of marked columns, as a model leaves them: padded on the left with garbage."""
    made = KeyValues()
    made.lengths = [len(row) for row in rows]
    padded = torch.tensor([[-1.0] * (made.width - len(row)) + row for row in rows])
    columns = padded[:, None, :, None].expand(-1, HEADS, -1, CHANNELS).contiguous()
    for layer in range(2):
        made.cache.update(columns + 100 * layer, -columns, layer)
    return made


def marks(held: KeyValues) -> list[list[float]]:
    """What each row holds in its own columns; the same in every layer, head and channel."""
    layers: list[Any] = held.cache.layers
    kept: list[list[float]] = []
    for row, length in enumerate(held.lengths):
        own = [layer.keys[row, :, held.width - length :] for layer in layers]
        for index, (layer, keys) in enumerate(zip(layers, own, strict=True)):
            assert layer.keys.shape == layer.values.shape == (len(held.lengths), HEADS, held.width, CHANNELS)
            assert torch.equal(keys, own[0] + 100 * index)
            assert torch.equal(keys, keys[:1, :, :1].expand_as(keys))
            assert torch.equal(layer.values[row, :, held.width - length :], -own[0])
        kept.append(own[0][0, :, 0].tolist())
    return kept


ROWS = [[1.0, 2.0, 3.0, 4.0], [5.0], [6.0, 7.0]]


def test_rows_are_kept_repeated_and_trimmed() -> None:
    held = filled(*ROWS)
    held.select([2, 1, 1])
    assert marks(held) == [[6.0, 7.0], [5.0], [5.0]]
    assert held.width == 2


def test_rows_join_whichever_are_longer() -> None:
    for first, second in ((ROWS, [[8.0, 9.0]]), ([[8.0]], ROWS)):
        held = filled(*first)
        held.absorb(filled(*second))
        assert marks(held) == [*first, *second]


def test_the_first_rows_are_taken_over() -> None:
    held = KeyValues()
    held.absorb(filled(*ROWS))
    assert marks(held) == ROWS


def test_a_token_costs_keys_and_values_in_every_layer() -> None:
    assert filled([1.0, 2.0]).bytes_per_token == 2 * 2 * HEADS * CHANNELS * 4


def test_a_folder_that_holds_an_adapter_with_the_model_is_refused(
    model: LanguageModel, tiny_llama: Path, write_adapter: Any, tmp_path: Path
) -> None:
    both = Path(shutil.copytree(tiny_llama, tmp_path / "both"))
    for file in write_adapter().iterdir():
        shutil.copy(file, both)
    version, before = model.weight_version, model.embeddings(PROMPTS)
    with pytest.raises(ConfigError, match="holds a model and an adapter"):
        LanguageModel.load(HfConfig(model=str(both)))
    with pytest.raises(ConfigError, match="holds a model and an adapter"):
        model.update(str(both), None)
    assert model.weight_version == version
    assert model.embeddings(PROMPTS) == before
    (both / "adapter_config.json").unlink()  # without it, transformers does not see the adapter
    alone = LanguageModel.load(HfConfig(model=str(both)))
    assert (alone.weight_version, alone.embeddings(PROMPTS)) == (version, before)
