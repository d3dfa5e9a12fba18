"""Settings of the policy server."""

from __future__ import annotations

import attrs
from attrs import validators

from leanebm._fields import check_api_key
from leanebm._shown import fitting_repr


@attrs.frozen(kw_only=True)
class ServeConfig:
    """Where the server listens and how much it takes on at once."""

    host: str = "127.0.0.1"
    """Address to bind. Anything but loopback should come with an ``api_key``."""

    port: int = attrs.field(default=0, validator=[validators.ge(0), validators.le(65535)])
    """Port to bind; 0 lets the system choose, and ``PolicyServer.url`` shows which."""

    api_key: str | None = attrs.field(default=None, repr=False, validator=check_api_key)
    """What clients must send as ``Authorization: Bearer …``; ``None`` asks for nothing."""

    allowed_hosts: tuple[str, ...] = ()
    """Further names, without port, that clients may use for a server that listens to loopback and asks for no key,
    as through a proxy. Requests in any name but these, ``host`` and loopback's are answered 421: they come from a web
    page whose name was made to mean this machine (DNS rebinding)."""

    max_connections: int = attrs.field(default=512, validator=validators.ge(1))
    """Connections that may be open, idle ones included; one more is answered 503 and closed. Keep it below the
    process's limit on open files, which is often 1024."""

    max_running: int = attrs.field(default=256, validator=validators.ge(1))
    """Sequences the backend is given at once: completions, or texts to encode. Requests with more of them wait."""

    max_queue: int = attrs.field(default=4096, validator=validators.ge(0))
    """Sequences that may wait; a request with more is answered 503 at once."""

    max_body_bytes: int = attrs.field(default=32 * 2**20, validator=validators.ge(1024))
    """Largest request body, in bytes; a larger one is answered 413."""

    max_prompts: int = attrs.field(default=1024, validator=validators.ge(1))
    """Most prompts in one request."""

    max_completions: int = attrs.field(default=16_384, validator=validators.ge(1))
    """Most completions in one request: its prompts times ``n``. All of them are in memory before the first is sent."""

    receive_s: float = attrs.field(default=60.0, validator=[validators.gt(0.0), validators.le(3600.0)])
    """How long a client may take to send the head of a request, again to send its body, and again to take the
    answer, in seconds; one that takes longer is cut off, or answered 408. A connection may lie idle for as long."""

    shutdown_s: float = attrs.field(default=5.0, validator=validators.ge(0.0))
    """How long open requests may finish after the server is told to stop, in seconds."""

    __repr__ = fitting_repr
