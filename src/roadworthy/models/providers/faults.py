"""From what a library raised, and what was on the wire, to a `RequestFailed` of the right kind.

The library's exception classes say most (`pydantic_ai.exceptions`). The wire decides the rest: a body that
is no JSON, an error inside a 200, an empty answer. `may_be_billed` is true whenever the request may have
reached a model: after a time-out or a broken connection unless it never left, after a gateway gave up, and
after any 2xx.
"""

import math
from email.utils import parsedate_to_datetime
from typing import Any, cast

from pydantic_ai import exceptions as library

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.provider import RequestFailed
from roadworthy.models.providers.wire import Exchange

_BY_CLASS: tuple[tuple[type[Exception], ErrorKind], ...] = (
    (library.ModelRateLimitError, ErrorKind.RATE_LIMIT),
    (library.ModelQuotaExceededError, ErrorKind.QUOTA),
    (library.ModelUnavailableError, ErrorKind.UNAVAILABLE),
    (library.ModelTimeoutError, ErrorKind.TIMEOUT),
    (library.ModelRequestTimeout, ErrorKind.TIMEOUT),
    (library.ModelConnectionError, ErrorKind.CONNECTION),
    (library.ModelServerError, ErrorKind.SERVER),
    (library.ModelAuthenticationError, ErrorKind.AUTHENTICATION),
    (library.ModelNotFoundError, ErrorKind.MODEL_NOT_FOUND),
    (library.ModelContextWindowExceededError, ErrorKind.CONTEXT_WINDOW),
    (library.ContentFilterError, ErrorKind.REFUSED),
    (library.ModelRequestRejectedError, ErrorKind.BAD_REQUEST),
)

_BY_STATUS = {
    400: ErrorKind.BAD_REQUEST,
    401: ErrorKind.AUTHENTICATION,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTHENTICATION,
    404: ErrorKind.MODEL_NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.SERVER,
    413: ErrorKind.CONTEXT_WINDOW,
    425: ErrorKind.SERVER,
    429: ErrorKind.RATE_LIMIT,
    503: ErrorKind.UNAVAILABLE,
    529: ErrorKind.UNAVAILABLE,
}

_BY_WORD: tuple[tuple[tuple[str, ...], ErrorKind], ...] = (
    (("insufficient_quota", "billing", "credit_balance", "spend_limit", "usage_limit"), ErrorKind.QUOTA),
    (("context_length", "context_window", "context_size", "request_too_large"), ErrorKind.CONTEXT_WINDOW),
    (("content_filter", "content_policy", "moderation", "responsibleai"), ErrorKind.REFUSED),
    (("rate_limit", "too_many_requests", "resource_exhausted", "throttl"), ErrorKind.RATE_LIMIT),
    (("overloaded", "unavailable"), ErrorKind.UNAVAILABLE),
    (("invalid_api_key", "authentication", "permission", "unauthenticated"), ErrorKind.AUTHENTICATION),
    (("model_not_found", "not_found"), ErrorKind.MODEL_NOT_FOUND),
    (("invalid_request", "invalid_argument"), ErrorKind.BAD_REQUEST),
    (("timeout", "deadline"), ErrorKind.TIMEOUT),
)
"""Words in an error's `code`, `type` or `status`, for errors that come without a status of their own."""

_FILTERED = ("content filter", "content management policy", "content policy")
"""Words in a message, for a provider (Anthropic) that gives a filter's verdict no code of its own."""

_GATEWAY_GAVE_UP = frozenset({408, 502, 504, 524})
"""Something between us and the model stopped waiting; the model may have worked all the same."""

_SAYS = {
    ErrorKind.RATE_LIMIT: "is rate limited",
    ErrorKind.UNAVAILABLE: "is overloaded or down",
    ErrorKind.SERVER: "failed on the provider's side",
    ErrorKind.CONNECTION: "could not be reached, or the connection broke",
    ErrorKind.TIMEOUT: "did not answer in time",
    ErrorKind.MALFORMED: "sent a response that is not what the protocol says",
    ErrorKind.QUOTA: "is out of quota or credit",
    ErrorKind.CONTEXT_WINDOW: "cannot read a request this long",
    ErrorKind.REFUSED: "declined to answer (the provider's filter)",
    ErrorKind.AUTHENTICATION: "rejected the key, or the key may not use it",
    ErrorKind.MODEL_NOT_FOUND: "is not served by the provider",
    ErrorKind.BAD_REQUEST: "rejected the request",
    ErrorKind.NOT_CONFIGURED: "is not set up here",
}

_HINTS = {
    ErrorKind.QUOTA: "Top up the account or raise its limit.",
    ErrorKind.CONTEXT_WINDOW: "Shorten the inputs, or put a model with a longer context into the route.",
    ErrorKind.AUTHENTICATION: "Check the variable or file that the model's settings name for its key.",
    ErrorKind.MODEL_NOT_FOUND: "Check `model`, `region` and `base_url` in the model's settings.",
}


def failed(
    name: str,
    kind: ErrorKind,
    exchange: Exchange,
    *,
    may_be_billed: bool,
    provider_text: str = "",
    retry_after_seconds: float | None = None,
) -> RequestFailed:
    """The error of a request to model `name`, with what was exchanged."""
    error = RequestFailed(
        f"Model {name!r} {_SAYS[kind]}" + (f" (HTTP {exchange.status})." if exchange.status else "."),
        kind=kind,
        hint=_HINTS.get(kind, ""),
        status=exchange.status,
        retry_after_seconds=retry_after_seconds,
        may_be_billed=may_be_billed,
        provider_text=provider_text,
    )
    error.sent = exchange.sent()
    error.received = exchange.received()
    error.provider_request_id = exchange.request_id
    return error


def from_exception(name: str, raised: Exception, exchange: Exchange) -> ProviderError:
    """The error to raise for whatever a library raised."""
    kind = _kind(raised, exchange)
    phase = getattr(raised, "phase", None)
    if exchange.answered:
        may_be_billed = kind is not ErrorKind.RATE_LIMIT
    elif exchange.status is not None:
        may_be_billed = exchange.status in _GATEWAY_GAVE_UP
    else:
        may_be_billed = kind in (ErrorKind.CONNECTION, ErrorKind.TIMEOUT) and phase not in ("pool", "connect")
    retry_after = retry_after_seconds(exchange)
    return failed(
        name,
        kind,
        exchange,
        may_be_billed=may_be_billed,
        provider_text=exchange.scrub(_text(raised, exchange)),
        retry_after_seconds=getattr(raised, "retry_after", None) if retry_after is None else retry_after,
    )


def _kind(raised: Exception, exchange: Exchange) -> ErrorKind:
    kind = next((kind for known, kind in _BY_CLASS if isinstance(raised, known)), None)
    if kind is ErrorKind.BAD_REQUEST:
        worded = kind_by_words(exchange.received())
        return worded if worded is ErrorKind.REFUSED or worded is ErrorKind.CONTEXT_WINDOW else kind
    if kind is not None:
        return kind
    if exchange.answered:
        return _kind_of_bad_success(exchange)
    status = exchange.status or getattr(raised, "status_code", None)
    if status is not None:
        return kind_by_status(status)
    # Nothing was sent: the library could not build this request for this model.
    return ErrorKind.BAD_REQUEST


def _kind_of_bad_success(exchange: Exchange) -> ErrorKind:
    if exchange.response is None:
        return ErrorKind.CONNECTION
    return kind_by_words(exchange.received()) or ErrorKind.MALFORMED


def kind_by_status(status: int) -> ErrorKind:
    """The kind of an error that has this HTTP status, 400 or above."""
    return _BY_STATUS.get(status, ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST)  # noqa: PLR2004


def kind_by_words(body: Any) -> ErrorKind | None:
    """The kind of the error that a body carries by its code or type; None when it carries none."""
    if not isinstance(body, dict):
        return None
    content = cast("dict[str, Any]", body)
    error: Any = content.get("error")
    if not error:
        return None
    if not isinstance(error, dict):
        return ErrorKind.SERVER
    fields = cast("dict[str, Any]", error)
    code = fields.get("code")
    if str(code).isdigit() and 400 <= int(str(code)) < 600:  # noqa: PLR2004
        by_status = kind_by_status(int(str(code)))
        if by_status is not ErrorKind.BAD_REQUEST:
            return by_status
    if any(words in str(fields.get("message", "")).lower() for words in _FILTERED):
        return ErrorKind.REFUSED
    inner: Any = fields.get("innererror")
    words = " ".join(str(fields.get(key, "")) for key in ("code", "type", "status")).lower()
    if isinstance(inner, dict):
        words += f" {cast('dict[str, Any]', inner).get('code', '')}".lower()
    return next((kind for parts, kind in _BY_WORD if any(part in words for part in parts)), ErrorKind.SERVER)


def retry_after_seconds(exchange: Exchange) -> float | None:
    """How long the provider asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    milliseconds = _number(exchange.headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = exchange.headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
        wait = (moment - parsedate_to_datetime(exchange.headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return max(0.0, wait)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) and number >= 0 else None


def _text(raised: Exception, exchange: Exchange) -> str:
    received = exchange.received()
    return f"{type(raised).__name__}: {raised}" if received is None else str(received)
