from __future__ import annotations

import json
import ssl
from unittest.mock import Mock

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import PolicyBadRequest, PromptTooLong
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy._transport import failure_of_status, message_of, translated_errors


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "no"}}', "no"),
        ('{"error": "no"}', "no"),
        ('{"object": "error", "message": "no", "code": 503}', "no"),
        ('{"detail": "no"}', "no"),
        ('{"detail": [{"loc": ["body", "n"], "msg": "too many"}]}', "body.n: too many"),
        ('"no"', "no"),
        ("<h1>Bad\n  Gateway</h1>", "<h1>Bad Gateway</h1>"),
        ("", ""),
        ('{"odd": 1}', '{"odd": 1}'),
    ],
)
def test_the_message_is_found_in_every_known_shape(body: str, message: str) -> None:
    assert message_of(body) == message


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_body_yields_a_bounded_message(body: object) -> None:
    assert len(message_of(json.dumps(body))) <= 500


@given(st.integers(201, 599), st.text(max_size=30))
def test_every_status_has_a_verdict(status: int, body: str) -> None:
    failure = failure_of_status(status, body, {}, url="http://h/generate")
    assert failure.error.url == "http://h/generate"
    assert (failure.kind is Failure.OVERLOADED) == (status in (429, 503))
    assert failure.kind.value.trips_breaker == (status >= 500 and status != 503)


def test_a_certificate_that_is_not_trusted_is_told_as_that_and_not_as_the_systems_error_of_that_number() -> None:
    refusal = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refusal.verify_message = "self-signed certificate"
    with pytest.raises(AttemptFailed) as failed, translated_errors("https://h"):
        raise aiohttp.ClientConnectorCertificateError(Mock(), refusal)
    assert failed.value.kind is Failure.CONNECT
    assert "certificate is not trusted (self-signed certificate); the variable SSL_CERT_FILE" in str(failed.value.error)


def test_redirects_are_not_followed_silently() -> None:
    failure = failure_of_status(307, "", {"Location": "http://elsewhere"}, url="http://h")
    assert isinstance(failure.error, PolicyBadRequest)
    assert "final address" in str(failure.error)


@pytest.mark.parametrize("said", ["input is longer than the model's context length", "maximum context is 4096 tokens"])
def test_a_prompt_too_long_is_recognised_by_its_words(said: str) -> None:
    assert isinstance(failure_of_status(400, json.dumps({"error": said}), {}, url="u").error, PromptTooLong)


@pytest.mark.parametrize(
    ("header", "pause_s"), [("3", 3.0), ("1e9", 60.0), ("-5", 0.0), ("Wed, 21 Oct", 0.0), ("nan", 0.0)]
)
def test_retry_after_is_bounded(header: str, pause_s: float) -> None:
    assert failure_of_status(503, "", {"Retry-After": header}, url="u").retry_after_s == pause_s


@pytest.mark.parametrize("body", ["[" * 50_000, '{"detail":' * 5_000])
def test_a_body_nested_without_end_is_a_message_like_any_other(body: str) -> None:
    assert message_of(body) == body[:500]


def test_an_error_is_short_however_its_signs_must_be_shown() -> None:
    failure = failure_of_status(446, "\0" * 10_000, {}, url="http://server")
    assert len(str(failure)) < 1000
    assert "\0" not in str(failure)
