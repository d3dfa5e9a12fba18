"""Request bodies to values: everything a client may have got wrong is found here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
from aiohttp import web
from cattrs.errors import ClassValidationError

from leanebm._shown import shown_json
from leanebm._strict import mistakes_in, parse_json, strict_converter
from leanebm.errors import PolicyBadRequest
from leanebm.serve.backends import Prompt, SamplingParams

_LONGEST_REFUSAL: Final = 2000
"""Characters of an answer that says what is wrong; it must not repeat the whole request."""

_UNSUPPORTED: Final[dict[str, tuple[object, ...]]] = {
    # switch → those of its values that need nothing this server lacks
    "stream": (None, False),
    "return_hidden_states": (None, False),
    "logprob_start_len": (None, -1),
    "top_logprobs_num": (None, 0),
    "token_ids_logprob": (None, []),
    "input_embeds": (None,),
}


@attrs.frozen(kw_only=True)
class GenerateRequest:
    """A checked body of ``/generate``."""

    prompts: tuple[Prompt, ...]
    params: SamplingParams
    is_batch: bool
    """Whether the prompts came as a list, so that the answer is one too."""

    return_logprob: bool
    return_text_in_logprobs: bool
    rid: str
    adapter: str | None

    @property
    def sequences(self) -> int:
        """How many completions are wanted."""
        return len(self.prompts) * self.params.n


@attrs.frozen(kw_only=True)
class EncodeRequest:
    """A checked body of ``/encode``."""

    prompts: tuple[Prompt, ...]
    is_batch: bool
    adapter: str | None


_FORM_KINDS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


async def read_object(request: web.Request) -> dict[str, Any]:
    """The request's body as a JSON object.

    Raises:
        PolicyBadRequest: it is something else.
        web.HTTPForbidden: a browser says that another site's page sends it.
        web.HTTPUnsupportedMediaType: it does not say that it is JSON. A web page can make a browser send text to
            a server on its user's machine, but JSON only with that server's consent, which we never give.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise web.HTTPForbidden(reason="Pages of other sites are not served")
    body = await request.read()
    kind = request.content_type  # a client without a body may name any, but a page's form just these
    if kind in _FORM_KINDS or (body and kind != "application/json"):
        raise web.HTTPUnsupportedMediaType(reason="Send the body as Content-Type: application/json")
    return parse_object(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty body stands for one without keys.

    Raises:
        PolicyBadRequest: it is something else.
    """
    try:
        value = parse_json(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise PolicyBadRequest(f"the body is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise PolicyBadRequest(f"the body must be a JSON object, not {type(value).__name__}")
    return value


def parse_generate(body: Mapping[str, Any], *, max_prompts: int, max_completions: int) -> GenerateRequest:
    """Check a ``/generate`` body. Unknown top-level keys are ignored, as every such server does.

    Raises:
        PolicyBadRequest: naming the field.
    """
    prompts, is_batch = _prompts(body, max_prompts)
    for switch, harmless in _UNSUPPORTED.items():
        if body.get(switch) not in harmless:
            raise PolicyBadRequest(f"{switch}={shown_json(body[switch])} is not supported by this server")
    params = _sampling_params(body.get("sampling_params") or {})
    if len(prompts) * params.n > max_completions:
        raise PolicyBadRequest(
            f"{len(prompts)} prompts with n={params.n} are more than the {max_completions} completions of one request"
        )
    rid = body.get("rid")
    return GenerateRequest(
        prompts=prompts,
        params=params,
        is_batch=is_batch,
        return_logprob=_flag(body, "return_logprob"),
        return_text_in_logprobs=_flag(body, "return_text_in_logprobs"),
        rid=rid if isinstance(rid, str) else "",
        adapter=_adapter(body),
    )


def parse_encode(body: Mapping[str, Any], *, max_prompts: int) -> EncodeRequest:
    """Check an ``/encode`` body.

    Raises:
        PolicyBadRequest: naming the field.
    """
    prompts, is_batch = _prompts(body, max_prompts)
    return EncodeRequest(prompts=prompts, is_batch=is_batch, adapter=_adapter(body))


def text_field(body: Mapping[str, Any], name: str) -> str:
    """A field that must be a text with something in it.

    Raises:
        PolicyBadRequest: it is not.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise PolicyBadRequest(f"{name} must be a text, not {shown_json(value)}")
    return value


def _adapter(body: Mapping[str, Any]) -> str | None:
    return None if body.get("lora_path") is None else text_field(body, "lora_path")


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value not in (None, True, False):
        raise PolicyBadRequest(f"{name} must be true or false")
    return bool(value)


def _prompts(body: Mapping[str, Any], max_prompts: int) -> tuple[tuple[Prompt, ...], bool]:
    match body.get("text"), body.get("input_ids"):
        case None, None:
            raise PolicyBadRequest("either text or input_ids must be given")
        case str() as text, None:
            return (text,), False
        case [*texts], None if texts and all(isinstance(text, str) for text in texts):
            prompts: tuple[Prompt, ...] = tuple(texts)
        case None, [*ids] if ids and all(_is_token(token) for token in ids):
            return (tuple(ids),), False
        case None, [*batches] if batches and all(_is_token_list(ids) for ids in batches):
            prompts = tuple(tuple(ids) for ids in batches)
        case given_text, given_ids if given_text is not None and given_ids is not None:
            raise PolicyBadRequest("give text or input_ids, not both")
        case None, _:
            raise PolicyBadRequest("input_ids must be a list of token ids, or a list of such lists, none of them empty")
        case _:
            raise PolicyBadRequest("text must be a string or a non-empty list of strings")
    if len(prompts) > max_prompts:
        raise PolicyBadRequest(f"{len(prompts)} prompts in one request; at most {max_prompts} are taken")
    return prompts, True


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_token_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_token(token) for token in value)


# --- sampling parameters ---


def _sampling_params(raw: object) -> SamplingParams:
    if not isinstance(raw, dict):
        raise PolicyBadRequest("sampling_params must be an object; send one request for each set of parameters")
    given = {name: value for name, value in raw.items() if value is not None}
    for name in ("stop", "stop_token_ids"):
        if name in given and not isinstance(given[name], list):
            given[name] = [given[name]]
    try:
        return _CONVERTER.structure(given, SamplingParams)
    except ClassValidationError as error:
        problems = mistakes_in(error, "sampling_params")
        raise PolicyBadRequest("; ".join(problems)[:_LONGEST_REFUSAL]) from error


_CONVERTER: Final = strict_converter()
