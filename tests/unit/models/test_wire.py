"""What is kept of an exchange, and how failures are read from it."""

import pytest

from roadworthy.errors import ErrorKind
from roadworthy.models.providers.faults import kind_by_words, retry_after_seconds
from roadworthy.models.providers.wire import Exchange, note_head

KEY = "sk-very-secret-key"


def exchange(**headers: str) -> Exchange:
    """An exchange whose response had these headers."""
    made = Exchange((KEY,))
    note_head(made, 429, [(name.replace("_", "-"), value) for name, value in headers.items()])
    return made


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry_after": "Fri, 20 Nov 2026 09:00:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    """Seconds, milliseconds and dates give the wait; nonsense gives none."""
    assert retry_after_seconds(exchange(**headers)) == seconds


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "insufficient_quota"}, ErrorKind.QUOTA),
        ({"type": "rate_limit_error"}, ErrorKind.RATE_LIMIT),
        ({"code": 429}, ErrorKind.RATE_LIMIT),
        ({"code": "503"}, ErrorKind.UNAVAILABLE),
        ({"type": "overloaded_error"}, ErrorKind.UNAVAILABLE),
        ({"code": "context_length_exceeded"}, ErrorKind.CONTEXT_WINDOW),
        ({"code": "content_filter"}, ErrorKind.REFUSED),
        ({"message": "Output blocked by content filtering policy"}, ErrorKind.REFUSED),
        ({"status": "RESOURCE_EXHAUSTED", "code": 400}, ErrorKind.RATE_LIMIT),
        ({"code": "invalid_api_key"}, ErrorKind.AUTHENTICATION),
        ({"message": "who knows"}, ErrorKind.SERVER),
        ("just text", ErrorKind.SERVER),
    ],
)
def test_an_error_in_a_success_is_read_by_its_words(error, kind):
    """A body that carries an error under a good status gets the kind that its code says."""
    assert kind_by_words({"error": error}) is kind


@pytest.mark.parametrize("body", [None, "text", [], {}, {"error": None}, {"choices": []}])
def test_a_body_without_an_error_has_no_kind(body):
    """Bodies that carry no error are not taken for one."""
    assert kind_by_words(body) is None


def test_keys_are_taken_out_of_everything_that_is_kept():
    """The key itself, and anything that looks like a key, is gone from bodies and messages."""
    made = exchange()
    made.response = f'{{"error": {{"message": "bad key {KEY}"}}}}'.encode()

    assert made.received() == {"error": {"message": "bad key ***"}}
    assert made.scrub(f"{KEY} and sk-proj-abcdefgh1234 and Bearer abc.def-ghi") == "*** and *** and ***"


def test_only_harmless_headers_are_kept():
    """Request ids and rate limits are kept, cookies and keys are not."""
    made = exchange(
        x_request_id="req_1", set_cookie="secret", authorization="secret", x_ratelimit_remaining_requests="9"
    )

    assert made.request_id == "req_1"
    assert made.rate_limit == {"x-ratelimit-remaining-requests": "9"}
    assert "secret" not in str(made.headers)


def test_a_body_that_is_no_json_is_kept_as_text():
    """A page of a proxy is kept as text, cut to a length."""
    made = exchange()
    made.response = b"<html>" + b"x" * 100_000

    received = made.received()

    assert isinstance(received, str)
    assert received.startswith("<html>")
    assert len(received) == 20_000
