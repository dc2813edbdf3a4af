"""The contract between a call and whatever answers it.

`providers/` holds the implementations. One `Request` goes in, one `Response` comes out, or a
`ProviderError` that says by kind what happened; nothing else may leave a provider. A provider does one
request: no retry, no fallback, no validation. Structured output comes back as text (JSON), whichever way
the model was asked for it.

Failures that got as far as the wire are `RequestFailed`, a `ProviderError` that also carries what was sent
and what came back, so that a failed attempt is recorded as fully as a good one.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from pydantic import SecretStr

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.conversation import Delta, Message, Options, ToolCall
from roadworthy.records import Json, Usage
from roadworthy.settings import ModelSettings

if TYPE_CHECKING:
    import httpx2

DEFAULT_MAX_TOKENS = 8_192
"""Output tokens at most where neither prompt nor settings say: sent to providers that demand a number, and
assumed by estimates for all others."""

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "unknown"]
"""Why the model stopped. `unknown` means that the provider did not say: the answer may be cut."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one model."""

    messages: tuple[Message, ...]
    timeout_seconds: float
    """For the whole request, waiting for a slot included; the model's own `timeout_seconds` also holds."""
    output_schema: Mapping[str, Any] | None = None
    """A JSON schema for the answer; None for text. Pass the same object again: its preparation is kept."""
    output_name: str = "answer"
    """What the schema is called on the wire: letters, digits, `_` and `-`."""
    temperature: float | None = None
    max_tokens: int | None = None
    """Output tokens at most; the model's `max_tokens` in the settings is used when None."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    user: str | None = None
    """An opaque id of the end user, for the provider's abuse detection."""
    inputs: Mapping[str, Any] | None = None
    """The prompt's inputs before rendering. Only the `python` provider reads them; they are never sent."""
    options: Options | None = None
    """What a conversation wants beyond this; a model that cannot do all of it refuses the request."""
    vectors: bool = False
    """Whether the messages are texts to embed, each by itself, and nothing is to be written."""
    dimensions: int | None = None
    """How long the vectors are to be, where the model can be told."""
    emit: Callable[[Delta], None] | None = None
    """Takes the answer's pieces as they come. A provider may ignore it: the whole answer comes anyway."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the model said."""

    text: str
    """The answer; JSON when the request had a schema, or wanted vectors. Not validated."""
    usage: Usage
    model: str
    """The model as the provider named it, which is what is billed."""
    finish_reason: FinishReason
    provider_request_id: str | None
    sent: Json
    """The body of the request, without headers or keys."""
    received: Json
    """The body of the response."""
    usage_reported: bool = True
    """False when the provider gave no token counts: `usage` is then zero and the price is not known."""
    notes: tuple[str, ...] = ()
    """What was odd, for the record: counts that were put right, dropped settings, another model's name."""
    rate_limit: Mapping[str, str] = field(default_factory=dict[str, str])
    """The rate-limit headers of the response, lower case, as the provider sent them."""
    tool_calls: tuple[ToolCall, ...] = ()


class RequestFailed(ProviderError):  # named like its family in errors.py
    """A `ProviderError` of a request that was sent, with what was exchanged."""

    sent: Json = None
    """The body of the request, as far as known."""
    received: Json = None
    """The body of the response, as far as it arrived."""
    usage: Usage | None = None
    """Tokens that the provider counted all the same, as on a refusal: settle these, not the estimate."""
    model: str = ""
    """The model that the provider named, where it did."""
    provider_request_id: str | None = None


class Provider(Protocol):
    """Answers requests. Belongs to one event loop and is closed there."""

    async def request(self, request: Request) -> Response:
        """Send one request and wait for the whole answer, `timeout_seconds` at most.

        Raises:
            ProviderError: by kind; nothing else but cancellation leaves a provider.
        """
        ...

    async def close(self) -> None:
        """Close connections. The provider is not used afterwards."""
        ...


class Closeable(Protocol):
    """Something with a blocking `close`."""

    def close(self) -> None:
        """Free what is held."""
        ...


_Resource = TypeVar("_Resource", bound=Closeable)


class Shared:
    """What targets of one project have in common, by key: a loaded model file, for example."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._resources: dict[Hashable, Closeable] = {}

    def get(self, key: Hashable, make: Callable[[], _Resource]) -> _Resource:
        """The resource under the key, made once. Blocks while another thread makes it."""
        with self._lock:
            if key not in self._resources:
                self._resources[key] = make()
            return self._resources[key]  # type: ignore[return-value]  # a key always has the same type

    def close(self) -> None:
        """Close everything. Blocks until work in progress has stopped."""
        with self._lock:
            resources, self._resources = list(self._resources.values()), {}
        for resource in resources:
            resource.close()


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that a provider is built from."""

    name: str
    """The model's name in `roadworthy.toml`."""
    settings: ModelSettings
    root: Path
    """The project's folder; relative paths start here."""
    functions: Mapping[str, Callable[..., Any]]
    """Functions of the project by `module:function`, looked at before importing."""
    shared: Shared
    secret: SecretStr | None = None
    """The key, read when the provider is built."""
    transport: "httpx2.AsyncBaseTransport | None" = None
    """Takes the network's place, where requests are only written or answers only read."""


def cannot(name: str, what: str) -> ProviderError:
    """The error for a request that asks for what this model does not do; nothing was sent."""
    return ProviderError(
        f"Model {name!r} cannot do what was asked for: {what}.",
        kind=ErrorKind.BAD_REQUEST,
        hint=f"Leave it out ({what}), or give the route a model that does it.",
    )


def not_configured(name: str, what: str, hint: str) -> ProviderError:
    """The error for a model that cannot be used here until somebody changes the set-up."""
    return ProviderError(f"Model {name!r} {what}.", kind=ErrorKind.NOT_CONFIGURED, hint=hint)


def timed_out(name: str, seconds: float, *, sent: Json) -> RequestFailed:
    """The error for a model on this machine that ran over its time; nobody bills for it."""
    error = RequestFailed(
        f"Model {name!r} did not answer within {seconds:g} seconds.",
        kind=ErrorKind.TIMEOUT,
        hint=f"Raise models.{name}.timeout_seconds if answers may take longer.",
    )
    error.sent = sent
    return error
