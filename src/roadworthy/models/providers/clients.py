"""The client of each network provider, built by us and handed to the library.

Every one has retries off (the route retries), its key from the settings only, a connect time-out, and
hooks that note what goes over the wire. Whoever calls `build` closes the result in the event loop that used
it.
"""

import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from roadworthy.models.provider import Blueprint, not_configured
from roadworthy.models.providers import wire
from roadworthy.settings.secrecy import FromEnvironment

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model
    from pydantic_ai.providers import Provider as LibraryProvider

_CONNECT_SECONDS = 10.0
_NO_KEY = "no-key"
"""What a server that wants no key is sent, because its client library insists on one."""


@dataclass(frozen=True, slots=True)
class Client:
    """A model of the library and the way to close its connections."""

    model: "Model[Any]"
    close: Callable[[], Awaitable[None]]
    dialect: Literal["chat", "responses", "anthropic", "google", "bedrock"]
    """The wire format that it speaks."""


def build(blueprint: Blueprint) -> Client:
    """The client for the provider that the settings name.

    Raises:
        ProviderError: `NOT_CONFIGURED`, when a key, an address or a package is missing.
    """
    try:
        return _BUILDERS[blueprint.settings.provider](blueprint)
    except ImportError as error:
        raise not_configured(
            blueprint.name,
            f"needs the package {error.name!r}, which is not installed",
            "Install Roadworthy with its dependencies, for example `pip install --upgrade roadworthy`.",
        ) from error


def secret_text(blueprint: Blueprint) -> str:
    """The key as plain text, empty when there is none. Never store it or put it into a message."""
    return blueprint.secret.get_secret_value() if blueprint.secret else ""


def secret_texts(blueprint: Blueprint) -> tuple[str, ...]:
    """All that must not appear in a record: the key, and what options took from the environment."""
    return tuple(filter(None, (secret_text(blueprint), *_from_environment(blueprint.settings.options))))


def _from_environment(value: Any) -> Iterator[str]:
    if isinstance(value, FromEnvironment):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in cast("Mapping[Any, Any]", value).values():
            yield from _from_environment(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _from_environment(item)


def required_key(blueprint: Blueprint) -> str:
    """The key as plain text.

    Raises:
        ProviderError: `NOT_CONFIGURED`, when there is none.
    """
    key = secret_text(blueprint)
    if key:
        return key
    named = blueprint.settings.key_variable or blueprint.settings.api_key_file
    raise not_configured(
        blueprint.name,
        "has no key",
        f"Put it into {named!r}, where models.{blueprint.name} looks for it."
        if named
        else f"Set `api_key_env` or `api_key_file` in models.{blueprint.name}, and put the key there.",
    )


def _address(blueprint: Blueprint, example: str) -> str:
    if blueprint.settings.base_url:
        return blueprint.settings.base_url
    raise not_configured(
        blueprint.name, "has no `base_url`", f"Set it in models.{blueprint.name}, for example {example!r}."
    )


def http_client(blueprint: Blueprint, *, trust_env: bool = True) -> "httpx2.AsyncClient":
    """The connections of a model."""
    import httpx2

    from roadworthy.models.providers import connections

    seconds = blueprint.settings.timeout_seconds
    at_once = blueprint.settings.max_concurrency
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        limits=httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        event_hooks={"request": [wire.note_request], "response": [wire.note_response]},
        trust_env=trust_env,
        transport=blueprint.transport or connections.transport(trust_env=trust_env),
    )


def _openai_model(blueprint: Blueprint, provider: "LibraryProvider[AsyncOpenAI]") -> Client:
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

    name = blueprint.settings.model
    close = provider.client.close
    if blueprint.settings.options.get("api", "chat") == "responses":
        return Client(OpenAIResponsesModel(name, provider=provider), close, "responses")
    return Client(OpenAIChatModel(name, provider=provider), close, "chat")


def _openai_client(blueprint: Blueprint, base_url: str, key: str, *, trust_env: bool = True) -> "AsyncOpenAI":
    from openai import AsyncOpenAI

    from roadworthy.models.providers.chat import shorten

    http = http_client(blueprint, trust_env=trust_env)
    client = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, http_client=http)
    # These would come from OPENAI_ORG_ID and OPENAI_PROJECT_ID and go to whatever server is called.
    client.organization = _text_option(blueprint, "organization")
    client.project = _text_option(blueprint, "project")
    shorten(client, http)
    return client


def _text_option(blueprint: Blueprint, key: str) -> str | None:
    value = blueprint.settings.options.get(key)
    return None if value is None else str(value)


def _openai(blueprint: Blueprint) -> Client:
    from pydantic_ai.providers.openai import OpenAIProvider

    base_url = blueprint.settings.base_url or "https://api.openai.com/v1"
    client = _openai_client(blueprint, base_url, required_key(blueprint))
    return _openai_model(blueprint, OpenAIProvider(openai_client=client))


def _azure(blueprint: Blueprint) -> Client:
    from pydantic_ai.providers.azure import AzureProvider

    endpoint = _address(blueprint, "https://my-resource.openai.azure.com/openai/v1")
    key = required_key(blueprint)
    versionless = endpoint.rstrip("/").endswith("/v1")
    version = None if versionless else blueprint.settings.api_version
    if version is None and not versionless:
        raise not_configured(
            blueprint.name,
            "has no `api_version`",
            f"Set it in models.{blueprint.name}, or end `base_url` with /openai/v1.",
        )
    provider = AzureProvider(
        azure_endpoint=endpoint, api_version=version, api_key=key, http_client=http_client(blueprint)
    )
    provider.client.max_retries = 0
    provider.client.organization = _text_option(blueprint, "organization")
    provider.client.project = _text_option(blueprint, "project")
    return _openai_model(blueprint, provider)


def _ollama(blueprint: Blueprint) -> Client:
    from pydantic_ai.providers.ollama import OllamaProvider

    base_url = blueprint.settings.base_url or "http://127.0.0.1:11434/v1"
    client = _openai_client(blueprint, base_url, secret_text(blueprint) or _NO_KEY)
    return _openai_model(blueprint, OllamaProvider(openai_client=client))


def _compatible(blueprint: Blueprint) -> Client:
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    simulated = blueprint.settings.provider == "simulated"
    base_url = _address(blueprint, "http://127.0.0.1:8000/v1")
    client = _openai_client(blueprint, base_url, secret_text(blueprint) or _NO_KEY, trust_env=not simulated)
    return _openai_model(
        blueprint, OpenAICompatibleProvider(blueprint.settings.provider, openai_client=client)
    )


def _anthropic(blueprint: Blueprint) -> Client:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(
        api_key=required_key(blueprint),
        base_url=blueprint.settings.base_url or "https://api.anthropic.com",
        max_retries=0,
        http_client=http_client(blueprint),
    )
    model = AnthropicModel(blueprint.settings.model, provider=AnthropicProvider(anthropic_client=client))
    return Client(model, client.close, "anthropic")


def _connections_for_google(blueprint: Blueprint) -> "httpx2.AsyncClient":
    # The library takes a model's five seconds for a default that somebody forgot to change.
    warnings.filterwarnings("ignore", "The `http_client` passed to the Google provider", UserWarning)
    return http_client(blueprint)


def _google(blueprint: Blueprint) -> Client:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    http = _connections_for_google(blueprint)
    provider = GoogleProvider(
        api_key=required_key(blueprint), http_client=http, base_url=blueprint.settings.base_url
    )
    return Client(GoogleModel(blueprint.settings.model, provider=provider), http.aclose, "google")


def _vertex(blueprint: Blueprint) -> Client:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google_cloud import GoogleCloudProvider

    http = _connections_for_google(blueprint)
    key = secret_text(blueprint)
    # Without a key: Application Default Credentials, which Google's library finds.
    place: dict[str, Any] = (
        {"api_key": key}
        if key
        else {
            "project": _text_option(blueprint, "project"),
            "location": blueprint.settings.region or "global",
        }
    )
    provider = GoogleCloudProvider(http_client=http, base_url=blueprint.settings.base_url, **place)
    return Client(GoogleModel(blueprint.settings.model, provider=provider), http.aclose, "google")


def _bedrock(blueprint: Blueprint) -> Client:
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    from botocore import UNSIGNED  # pyright: ignore[reportMissingTypeStubs]
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    settings = blueprint.settings
    if not settings.region:
        raise not_configured(blueprint.name, "has no `region`", f"Set it in models.{blueprint.name}.")
    key = secret_text(blueprint)
    config: dict[str, Any] = {
        "connect_timeout": min(settings.timeout_seconds, _CONNECT_SECONDS),
        "read_timeout": settings.timeout_seconds,
        "retries": {"total_max_attempts": 1},
        "max_pool_connections": settings.max_concurrency,
    }
    if key:
        config["signature_version"] = UNSIGNED
    session: Any = boto3.Session(region_name=settings.region)
    client: Any = session.client("bedrock-runtime", endpoint_url=settings.base_url, config=Config(**config))

    def before(params: dict[str, Any], **_: Any) -> None:
        if key:
            params["headers"]["Authorization"] = f"Bearer {key}"
        exchange = wire.current()
        if exchange is not None:
            body = params.get("body") or b""
            exchange.request = body.encode() if isinstance(body, str) else bytes(body)

    def after(http_response: Any, **_: Any) -> None:
        exchange = wire.current()
        if exchange is not None:
            wire.note_head(exchange, http_response.status_code, http_response.headers.items())
            if not (exchange.streamed and exchange.answered):
                exchange.response = cast("bytes", http_response.content)

    client.meta.events.register("before-call.bedrock-runtime", before)
    client.meta.events.register("after-call.bedrock-runtime", after)

    async def close() -> None:
        client.close()

    model = BedrockConverseModel(settings.model, provider=BedrockProvider(bedrock_client=client))
    return Client(model, close, "bedrock")


_BUILDERS: dict[str, Callable[[Blueprint], Client]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "azure-openai": _azure,
    "google": _google,
    "google-vertex": _vertex,
    "bedrock": _bedrock,
    "ollama": _ollama,
    "openai-compatible": _compatible,
    "simulated": _compatible,
}
