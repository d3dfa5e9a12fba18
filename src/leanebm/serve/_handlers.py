"""What each endpoint answers."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, TypeVar, final

import attrs
from aiohttp import web

from leanebm._shown import shown
from leanebm.errors import PolicyBadRequest, PolicyError
from leanebm.serve._admission import Aborts, Admission, QueueFull, host_of, is_loopback
from leanebm.serve._requests import GenerateRequest, parse_encode, parse_generate, read_object
from leanebm.serve._weights import WeightHandlers, WeightLock
from leanebm.serve.backends import Backend, Completion
from leanebm.serve.config import ServeConfig

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OPEN_PATHS: Final = frozenset({"/health", "/health_generate"})
_ABSENT: Final = ("/pause_generation", "/continue_generation")
_CONTRACT: Final = 1


@final
class Handlers:
    """The endpoints, over one backend."""

    def __init__(self, config: ServeConfig, backend: Backend) -> None:
        self._config = config
        self._backend = backend
        self._admission = Admission(max_running=config.max_running, max_queue=config.max_queue)
        self._known_hosts = _known_hosts(config)
        self._weights = WeightLock()
        self._aborts = Aborts()
        self._weight_handlers = WeightHandlers(backend, self._weights, self._aborts)

    def application(self) -> web.Application:
        """An aiohttp application with every route and all middlewares."""
        app = web.Application(
            client_max_size=self._config.max_body_bytes,
            middlewares=[self._send, _translate_errors, self._know_host, self._authorise, self._receive],
        )
        app.add_routes(
            [
                *(web.route(method, "/generate", self._generate) for method in ("POST", "PUT")),
                *(web.route(method, "/encode", self._encode) for method in ("POST", "PUT")),
                *(web.get(path, self._health) for path in _OPEN_PATHS),
                *(web.get(path, self._model_info) for path in ("/model_info", "/get_model_info")),
                *(web.get(path, self._server_info) for path in ("/server_info", "/get_server_info")),
                *(web.route(method, "/flush_cache", self._flush_cache) for method in ("GET", "POST")),
                web.post("/abort_request", self._abort_request),
                *self._weight_handlers.routes(),
                *(web.post(path, self._refuse) for path in _ABSENT),
            ]
        )
        return app

    # --- sampling and encoding ---

    async def _generate(self, request: web.Request) -> web.Response:
        started = time.monotonic()
        config = self._config
        wanted = parse_generate(
            await read_object(request), max_prompts=config.max_prompts, max_completions=config.max_completions
        )
        with self._aborts.listening(wanted.rid) as aborted:
            pieces = await _unless(aborted, self._samples(wanted, started))
        if pieces is None:
            pieces = [json.dumps(_aborted(time.monotonic() - started))] * wanted.sequences
        return _objects(pieces, is_list=wanted.is_batch or wanted.params.n > 1)

    async def _samples(self, wanted: GenerateRequest, started: float) -> list[str]:
        async with self._admission.admit(wanted.sequences), self._weights.request():
            versions = self._versions(wanted.adapter)
            per_prompt = await self._backend.generate(wanted.prompts, wanted.params, adapter=wanted.adapter)
            elapsed_s = time.monotonic() - started
            pieces: list[str] = []
            for completions in per_prompt:
                samples = (self._sample(one, wanted, elapsed_s, versions) for one in completions)
                pieces += map(json.dumps, samples)
                await asyncio.sleep(0)  # many completions take seconds to write down; others need the loop, too
            return pieces

    async def _encode(self, request: web.Request) -> web.Response:
        wanted = parse_encode(await read_object(request), max_prompts=self._config.max_prompts)
        async with self._admission.admit(len(wanted.prompts)), self._weights.request():
            versions = self._versions(wanted.adapter)
            embeddings = await self._backend.encode(wanted.prompts, adapter=wanted.adapter)
        pieces: list[str] = []
        for embedding in embeddings:
            meta = {"id": _new_id(), "finish_reason": None, "prompt_tokens": embedding.prompt_tokens, **versions}
            pieces.append(json.dumps({"embedding": list(embedding.vector), "meta_info": meta}))
            await asyncio.sleep(0)  # as above: a wide vector takes milliseconds
        return _objects(pieces, is_list=wanted.is_batch)

    def _versions(self, adapter: str | None) -> dict[str, str]:
        """Which weights answer, and which adapter on them: the next one may bear its name."""
        said = {"weight_version": self._backend.description.weight_version}
        version = self._backend.adapters.get(adapter or "")
        return said if version is None else {**said, "adapter_version": version}

    def _sample(
        self, completion: Completion, wanted: GenerateRequest, elapsed_s: float, versions: Mapping[str, str]
    ) -> dict[str, Any]:
        reason: dict[str, object] = (
            {"type": "stop", "matched": completion.matched}
            if completion.finish == "stop"
            else {"type": "length", "length": len(completion.tokens)}
        )
        meta: dict[str, object] = {
            "id": _new_id(),
            "finish_reason": reason,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": len(completion.tokens),
            "cached_tokens": 0,
            **versions,
            "e2e_latency": elapsed_s,
        }
        if wanted.return_logprob:
            meta["output_token_logprobs"] = [
                [token.log_prob, token.token_id, token.text if wanted.return_text_in_logprobs else None]
                for token in completion.tokens
            ]
        return {
            "text": completion.text,
            "output_ids": [token.token_id for token in completion.tokens],
            "meta_info": meta,
        }

    # --- service ---

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if await self._backend.check_health() else 503)

    async def _model_info(self, _: web.Request) -> web.Response:
        about = self._backend.description
        encode = attrs.asdict(about.encode) if about.encode is not None else None
        ours = {
            "contract": _CONTRACT,
            "encode": encode,
            "adapters": dict(self._backend.adapters),
            "prompt_formats": dict(self._backend.prompt_formats),
        }
        return web.json_response(
            {
                "model_path": about.model_path,
                "tokenizer_path": about.tokenizer_path,
                "is_generation": True,
                "weight_version": about.weight_version,
                "leanebm": ours,
            }
        )

    async def _server_info(self, _: web.Request) -> web.Response:
        settings = attrs.asdict(self._config, filter=attrs.filters.exclude("api_key"))
        load = {
            "running": self._admission.running,
            "waiting": self._admission.waiting,
            "weight_changes": self._weights.changes,
        }
        internal_states = [{**load, **self._backend.statistics}]
        return web.json_response({"version": version("leanebm"), **settings, "internal_states": internal_states})

    async def _flush_cache(self, request: web.Request) -> web.Response:
        await read_object(request)  # nothing in it matters, but a web page's form is refused here, too
        if self._admission.running or self._admission.waiting:
            return web.Response(status=400, text="Cache not flushed: requests are running or waiting.\n")
        await self._backend.flush_cache()
        return web.Response(text="Cache flushed.\n")

    async def _abort_request(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        self._aborts.abort(None if body.get("abort_all") is True else str(body.get("rid", "")))
        return web.Response()

    async def _refuse(self, request: web.Request) -> web.Response:
        raise PolicyBadRequest(f"{request.path} is not supported by this server")

    # --- who is answered, and for how long ---

    @web.middleware
    async def _send(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Cut off a client that does not take its answer; aiohttp would wait for ever, with all of it in memory."""
        response = await handler(request)
        try:
            async with asyncio.timeout(self._config.receive_s):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # aiohttp tries once more, meets the same error, and cleans up
        return response

    @web.middleware
    async def _know_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what a web page sends after its own name was made to mean this machine (DNS rebinding).

        The browser takes our answers for the page's own, but its ``Host`` header holds the name that it asked for.
        With an API key there is no need to look: the page does not have it.
        """
        if self._known_hosts is not None:
            host = host_of(request.headers.get("Host", ""))
            if not is_loopback(host) and host not in self._known_hosts:
                reason = f"{shown(host)} is not a name of this server: start it with that name among its allowed_hosts"
                raise web.HTTPMisdirectedRequest(reason=reason)
        return await handler(request)

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        key = self._config.api_key
        if key is not None and request.path not in _OPEN_PATHS:
            given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
            # Comparing them takes equally long however much matches.
            if not hmac.compare_digest(given, f"Bearer {key}".encode()):
                return web.json_response({"error": "Unauthorized"}, status=401)
        return await handler(request)

    @web.middleware
    async def _receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Read the whole body before anything begins, so that a slow client occupies nothing but its connection."""
        try:
            async with asyncio.timeout(self._config.receive_s):
                await request.read()  # aiohttp keeps it for the handler
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except web.RequestPayloadError as error:
            raise PolicyBadRequest(f"the body cannot be read: {error}") from error
        return await handler(request)


@web.middleware
async def _translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every refusal the body that clients of such servers parse."""
    try:
        return await handler(request)
    except PolicyBadRequest as refusal:
        return web.json_response({"error": {"message": str(refusal)}}, status=400)
    except QueueFull:
        message = "The request queue is full."
        body = {"object": "error", "message": message, "type": "503", "param": None, "code": 503}
        return web.json_response(body, status=503)
    except PolicyError as failure:
        _log.error("%s failed: %s", request.path, failure)
        return web.json_response({"error": {"message": f"{type(failure).__name__}: {failure}"}}, status=500)
    except web.HTTPError as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response({"error": {"message": error.reason}}, status=error.status, headers=headers)


def _known_hosts(config: ServeConfig) -> frozenset[str] | None:
    """The names, besides loopback's, that clients may ask for; ``None`` allows any."""
    if config.api_key is not None or not is_loopback(config.host):
        return None
    return frozenset(host.lower() for host in config.allowed_hosts)


async def _unless(aborted: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    """The work's result, or ``None`` as soon as ``aborted`` is set; the work is cancelled then."""
    working, watching = asyncio.create_task(work), asyncio.create_task(aborted.wait())
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait((working, watching))


def _objects(pieces: Sequence[str], *, is_list: bool) -> web.Response:
    """JSON objects that are written already: the only one, or a list."""
    return web.json_response(text=f"[{','.join(pieces)}]" if is_list else pieces[0])


def _aborted(elapsed_s: float) -> dict[str, Any]:
    reason = {"type": "abort", "message": "aborted by request", "status_code": None, "err_type": None}
    meta = {"id": _new_id(), "finish_reason": reason, "prompt_tokens": 0, "completion_tokens": 0}
    return {"text": "", "output_ids": [], "meta_info": {**meta, "e2e_latency": elapsed_s, "output_token_logprobs": []}}


def _new_id() -> str:
    return uuid.uuid4().hex
