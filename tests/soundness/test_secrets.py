"""An API key appears on the wire and nowhere else."""

from __future__ import annotations

import logging

import pytest

from leanebm.errors import PolicyUnauthorized
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend

_KEY = "hunter2-is-my-key"
_WRONG = "hunter3-is-a-guess"


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    """Every word that was logged, formatted or not, with the texts of exceptions."""
    parts = [caplog.text]
    for record in caplog.records:
        parts += [record.getMessage(), repr(record.args), str(record.exc_info), str(record.__dict__)]
    return "\n".join(parts)


async def test_neither_client_nor_server_logs_a_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("leanebm").setLevel(logging.DEBUG)
    server_config = ServeConfig(api_key=_KEY, port=0)
    async with PolicyServer(server_config, TemplateBackend()) as server:
        for key in (_KEY, _WRONG, None):
            config = PolicyClientConfig(url=server.url, api_key=key)
            async with PolicyClient(config) as client:
                if key == _KEY:
                    await client.wait_ready()
                    continue
                with pytest.raises(PolicyUnauthorized) as caught:
                    await client.wait_ready()
                said = f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
                assert _KEY not in said
                assert _WRONG not in said
            assert str(key) not in repr(config) or key is None
    assert _KEY not in repr(server_config)
    logged = _logged(caplog)
    assert "serving" in logged  # something was heard at all
    assert _KEY not in logged
    assert _WRONG not in logged
