"""What really went over the wire, for the record of an attempt.

The HTTP client of a provider calls `note_request` and `note_response` (httpx2 event hooks); they write
into the `Exchange` of the request that is running in this task. So what is recorded is the body that was
sent and the one that came back, not what a library made of them. Headers are never kept, but for a few that
carry no secret.
"""

import re
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from roadworthy.records import Json

if TYPE_CHECKING:
    import httpx2

_LONGEST_TEXT = 20_000
"""Characters kept of a response that is not JSON."""

_LONGEST_MESSAGE = 4_000
"""Characters kept of what a provider says about a failure."""

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
_KEPT_HEADERS = frozenset((*_REQUEST_ID_HEADERS, "date", "retry-after", "retry-after-ms"))
_KEY_SHAPES = re.compile(
    r"\b(?:sk|pk|rk)-[\w-]{8,}|\bAIza[\w-]{20,}|\bAKIA\w{12,}|(?i:\bbearer)\s+[\w.~+/=-]{8,}"
)
"""Common forms of credentials, should a provider repeat one that is not ours."""


class Exchange:
    """One request and its response, as bytes until somebody asks."""

    __slots__ = ("_secrets", "headers", "request", "response", "status", "streamed")

    def __init__(self, secrets: tuple[str, ...], *, streamed: bool = False) -> None:
        self._secrets = secrets
        self.streamed = streamed
        """Whether a good response comes in pieces, which are not kept here."""
        self.request: bytes | None = None
        self.response: bytes | None = None
        """None until the whole body has arrived."""
        self.status: int | None = None
        """None until the response has begun."""
        self.headers: dict[str, str] = {}
        """Request id, `retry-after` and rate limits, lower case."""

    @property
    def answered(self) -> bool:
        """Whether the provider said that all went well."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004

    @property
    def request_id(self) -> str | None:
        """The provider's own id of the request."""
        return next((self.headers[name] for name in _REQUEST_ID_HEADERS if name in self.headers), None)

    @property
    def rate_limit(self) -> dict[str, str]:
        """The headers that tell how much is left."""
        return {name: value for name, value in self.headers.items() if "ratelimit" in name}

    def sent(self) -> Json:
        """The body that was sent."""
        return self._read(self.request)

    def received(self) -> Json:
        """The body that came back: JSON, or text when it is something else."""
        return self._read(self.response)

    def scrub(self, text: str) -> str:
        """The text without keys, anything that looks like one, and no longer than is read."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _KEY_SHAPES.sub("***", text)[:_LONGEST_MESSAGE]

    def _read(self, body: bytes | None) -> Json:
        if not body:
            return None
        for secret in self._secrets:
            body = body.replace(secret.encode(), b"***")
        try:
            return from_json(body)
        except ValueError:
            return body.decode(errors="replace")[:_LONGEST_TEXT]


_current: ContextVar[Exchange | None] = ContextVar("roadworthy_exchange", default=None)


def begin(exchange: Exchange) -> Token[Exchange | None]:
    """From here on, this task's HTTP requests are noted in the exchange."""
    return _current.set(exchange)


def end(token: Token[Exchange | None]) -> None:
    """Stop noting."""
    _current.reset(token)


def current() -> Exchange | None:
    """The exchange of this task, if one is being noted."""
    return _current.get()


async def note_request(request: "httpx2.Request") -> None:
    """Event hook: keep the body that is about to be sent."""
    exchange = _current.get()
    if exchange is not None:
        exchange.request = await request.aread()


async def note_response(response: "httpx2.Response") -> None:
    """Event hook: read and keep the body that came back."""
    exchange = _current.get()
    if exchange is None:
        return
    note_head(exchange, response.status_code, response.headers.items())
    if not (exchange.streamed and exchange.answered):
        exchange.response = await response.aread()


def note_head(exchange: Exchange, status: int, headers: Any) -> None:
    """Keep the status and the few headers that say something and are no secret."""
    exchange.status = status
    for key, value in headers:
        name = key.lower()
        if name in _KEPT_HEADERS or "ratelimit" in name:
            exchange.headers[name] = value
