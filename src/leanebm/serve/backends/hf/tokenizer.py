"""A model's tokenizer, as the server needs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, final

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import AutoTokenizer

from leanebm.errors import ConfigError, PolicyBadRequest


@final
class PromptTokenizer:
    """Turns texts into token ids, and token ids into text as they come. Any thread may use it."""

    def __init__(self, tokenizer: Tokenizer, *, bos_id: int | None, eos_id: int | None) -> None:
        tokenizer.no_truncation()  # a checkpoint may carry such settings; they would cut a state silently
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.eos_id = eos_id
        self.longest_token = max(map(len, tokenizer.get_vocab(with_added_tokens=True)), default=1)
        """A bound on the characters that one token stands for, unless it stands for unknown ones."""

        self.includes_bos = bos_id is not None and self.encode(["x"])[0][:1] == (bos_id,)
        """Whether a text's first token is the one for its beginning."""

    @classmethod
    def load(cls, folder: Path, *, trust_remote_code: bool) -> Self:
        """Read the tokenizer of a model's folder.

        Raises:
            ConfigError: it cannot be read, or is not a fast one.
        """
        try:
            loaded: Any = AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=trust_remote_code
            )
        except Exception as error:
            raise ConfigError(f"the tokenizer in {folder} cannot be loaded: {error}") from error
        if not getattr(loaded, "is_fast", False):
            raise ConfigError(f"the tokenizer in {folder} is not a fast one: save it with a tokenizer.json")
        # A copy, since transformers' wrapper switches truncation on and off in its own.
        copy = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
        return cls(copy, bos_id=loaded.bos_token_id, eos_id=loaded.eos_token_id)

    @property
    def settings(self) -> str:
        """All that decides how a text is split into tokens, as JSON."""
        settings: str = self._tokenizer.to_str()
        return settings

    def encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of each text, with the special tokens that the model expects around it.

        Raises:
            PolicyBadRequest: a text is not Unicode, such as half of a surrogate pair.
        """
        try:
            return [tuple(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]
        except (TypeError, UnicodeError) as error:
            raise PolicyBadRequest(f"a text cannot be encoded: {error}") from error

    def stream(self, *, skip_special_tokens: bool) -> _Stream:
        """A stream that turns the tokens of one completion into text."""
        return _Stream(self._tokenizer, skip_special_tokens=skip_special_tokens)


@final
class _Stream:
    def __init__(self, tokenizer: Tokenizer, *, skip_special_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._decoder = DecodeStream(skip_special_tokens=skip_special_tokens)

    def next(self, token_id: int) -> str:
        return self._decoder.step(self._tokenizer, token_id) or ""
